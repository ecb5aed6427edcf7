"""Whatever is no GET has to prove that it comes from a page of ours, at every address there is."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import get_resolver
from django.urls.resolvers import RoutePattern, URLPattern, URLResolver

from medimgr.api import api
from operations.models import Operation
from tests.factories import make_service

pytestmark = pytest.mark.django_db

EXEMPT = {
    "/events/disconnect/": "its connection id is the proof; a page that is closed can send nothing else",
    "/events/pages/": "likewise: how many pages share a stream",
    "/api/": "answers 404 to everything",
}
"""Beside the API, which asks for the token itself, and only of who is logged in with a cookie."""
WITHOUT_SESSION = {"/api/auth/login", "/api/auth/refresh", "/api/auth/logout"}
"""Take no cookie for a login, so that nobody's browser can be made to use one."""
SAMPLES = {"int": "1", "str": "x", "slug": "x", "path": "x", "uuid": "0" * 8 + "-0000-0000-0000-" + "0" * 12}


def addresses(patterns: Any = None, before: str = "/") -> Iterator[tuple[str, Any]]:
    """Yield every address of the URLconf with its view; parts that vary are filled in."""
    for one in get_resolver().url_patterns if patterns is None else patterns:
        if not isinstance(one.pattern, RoutePattern):
            continue  # the API's and the admin's catch-all: both answer 404
        path = before + re.sub(
            r"<(?:(\w+):)?\w+>", lambda found: SAMPLES[found[1] or "str"], str(one.pattern)
        )
        if isinstance(one, URLResolver):
            yield from addresses(one.url_patterns, path)
        elif isinstance(one, URLPattern):
            yield path, one.callback


PAGES = sorted({path for path, _ in addresses() if not path.startswith("/api/")})
CALLS = sorted(
    (method.upper(), re.sub(r"\{[^}]+\}", "1", path))
    for path, methods in api.get_openapi_schema()["paths"].items()
    for method in methods
    if method not in {"get", "parameters"} and path not in WITHOUT_SESSION
)


@pytest.fixture
def logged_in() -> Client:
    make_service("x")
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("root"))
    return client


def token_of(client: Client) -> str:
    client.get("/admin/")
    return client.cookies["csrftoken"].value


def proofs(client: Client) -> dict[str, dict[str, str]]:
    """Return headers that prove nothing."""
    token = token_of(client)
    return {
        "no token": {},
        "a wrong token": {"X-CSRFToken": "x" * 32},
        "another origin": {"X-CSRFToken": token, "Origin": "http://evil.example"},
        "an origin that is hidden": {"X-CSRFToken": token, "Origin": "null"},
        "another port": {"X-CSRFToken": token, "Origin": "http://testserver:81"},
        "another scheme": {"X-CSRFToken": token, "Origin": "https://testserver"},
    }


KINDS = {
    "application/x-www-form-urlencoded": b"a=1",
    "multipart/form-data; boundary=x": b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--x--\r\n",
    "text/plain": b'{"a": "="}',
    "application/json": b"{}",
}
"""What a form or a script of another site can send, the last one only with leave that nobody gives."""


def test_the_search_for_addresses_finds() -> None:
    assert {"/login/", "/logout/", "/admin/", "/operations/1/", "/events/", "/admin/auth/user/x/change/"} <= {
        *PAGES
    }
    assert ("POST", "/api/services/1/start") in CALLS
    assert ("DELETE", "/api/operations/cleanup") in CALLS
    assert len(PAGES) > 60
    assert len(CALLS) > 30


def test_no_view_is_exempt_but_those_that_say_why() -> None:
    exempt = {path for path, view in addresses() if getattr(view, "csrf_exempt", False)}
    assert {path for path in exempt if not path.startswith("/api/")} | {"/api/"} == set(EXEMPT)


def test_every_page_refuses_a_post_that_proves_nothing(logged_in: Client) -> None:
    for headers in proofs(logged_in).values():
        for path in PAGES:
            if path not in EXEMPT:
                assert logged_in.post(path, {}, headers=headers).status_code == 403, (path, headers)
    assert User.objects.get().username == "root"


@pytest.mark.parametrize("kind", KINDS)
def test_every_page_refuses_every_kind_of_body(kind: str, logged_in: Client) -> None:
    for path in PAGES:
        if path not in EXEMPT:
            assert logged_in.post(path, KINDS[kind], content_type=kind).status_code == 403, path


def test_every_call_of_the_api_refuses_what_proves_nothing(logged_in: Client) -> None:
    for why, headers in proofs(logged_in).items():
        for method, path in CALLS:
            answer = logged_in.generic(method, path, b"{}", content_type="application/json", headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (403, "csrf-failed"), (method, path, why)
    assert not Operation.objects.exists()


@pytest.mark.parametrize("kind", KINDS)
def test_every_call_of_the_api_refuses_every_kind_of_body(kind: str, logged_in: Client) -> None:
    for method, path in CALLS:
        answer = logged_in.generic(method, path, KINDS[kind], content_type=kind)
        assert answer.status_code in {403, 415}, (method, path)
    assert not Operation.objects.exists()


def test_nobody_elses_page_is_told_that_it_may_ask(logged_in: Client) -> None:
    """Without such leave a browser sends no JSON and no DELETE of another site, and shows it no answer."""
    for path in ("/api/services", "/api/auth/login", "/events/poll/", "/login/", "/api/operations/cleanup"):
        for method in ("OPTIONS", "GET", "POST", "DELETE"):
            headers = {
                "Origin": "http://evil.example",
                "Access-Control-Request-Method": "DELETE",
                "Access-Control-Request-Headers": "X-CSRFToken, Authorization",
            }
            answer = logged_in.generic(method, path, headers=headers)
            assert [name for name in answer.headers if name.lower().startswith("access-control-")] == []


def test_what_proves_where_it_comes_from_is_let_through(logged_in: Client) -> None:
    headers = {"X-CSRFToken": token_of(logged_in), "Origin": "http://testserver"}
    answer = logged_in.post("/api/services/x/start", {}, content_type="application/json", headers=headers)
    assert answer.status_code == 202
    assert logged_in.post("/logout/", headers=headers).status_code == 302
