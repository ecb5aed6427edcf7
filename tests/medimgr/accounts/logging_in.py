"""What tests of tokens share: keys, a login, and requests that carry a token."""

import functools
from typing import Any

from django.test import Client

KEYS = ("first-" + "k" * 40, "second-" + "k" * 40)


@functools.cache
def stranger() -> Client:
    """Return a client without a session, that is made once: each loads all middleware anew."""
    return Client(enforce_csrf_checks=True)


def log_in(username: str = "alice", password: str = "", client: Client | None = None) -> dict[str, str]:
    """Log in by API and return the answer, which has to be a pair of tokens."""
    answer = try_to_log_in(username, password or f"{username}-password", client)
    assert answer.status_code == 200, answer.content
    tokens: dict[str, str] = answer.json()
    return tokens


def try_to_log_in(username: Any, password: Any, client: Client | None = None) -> Any:
    """Ask for a login and return the answer."""
    body = {"username": username, "password": password}
    return (client or stranger()).post("/api/auth/login", body, content_type="application/json")


def refresh(token: str) -> Any:
    """Ask for the next tokens and return the answer."""
    return stranger().post("/api/auth/refresh", {"refresh": token}, content_type="application/json")


def get(token: str, path: str = "/api/auth/me", client: Client | None = None) -> Any:
    """GET with ``token`` in the header."""
    return (client or stranger()).get(path, headers={"Authorization": f"Bearer {token}"})


def post(token: str, path: str, body: Any = None, client: Client | None = None) -> Any:
    """POST with ``token`` in the header, and no CSRF token."""
    return (client or stranger()).post(
        path, body or {}, content_type="application/json", headers={"Authorization": f"Bearer {token}"}
    )
