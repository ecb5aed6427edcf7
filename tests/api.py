"""What tests of the API share. Every error has one shape, RFC 9457's, which ``assert_problem`` holds.

``type, title, status, detail, code`` always, ``errors`` (texts by field) where fields are wrong, content
type ``application/problem+json``, never a traceback, a path of this machine or a setting.
"""

from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

KEYS = {"type", "title", "status", "detail", "code"}


def client_of(user: User | None, *, csrf: bool = False) -> Client:
    """Return a client that is logged in as ``user``; ``csrf``: has to send the token."""
    client = Client(enforce_csrf_checks=csrf)
    if user is not None:
        client.force_login(user)
    return client


def post(client: Client, path: str, body: Any = None, **headers: str) -> Any:
    """POST ``body`` as JSON, or nothing for None."""
    if body is None:
        return client.post(path, data=b"", content_type="application/json", headers=headers or None)
    return client.post(path, body, content_type="application/json", headers=headers or None)


def assert_problem(response: Any, status: int, code: str) -> dict[str, Any]:
    """Assert that ``response`` is the problem ``code``, in the one shape; return its document."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert set(document) - {"errors", "request_id"} == KEYS
    assert (document["status"], document["code"]) == (status, code)
    assert document["type"] == f"urn:medimgr:problem:{code}"
    assert document["title"]
    assert document["detail"]
    errors = document.get("errors", {})
    assert all(isinstance(texts, list) and texts for texts in errors.values())
    text = response.content.decode()
    for secret in ("Traceback", 'File "', settings.SECRET_KEY, str(settings.BASE_DIR), "site-packages"):
        assert secret not in text
    return document
