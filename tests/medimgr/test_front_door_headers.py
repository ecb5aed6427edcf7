"""Every kind of answer tells browsers what they may not do with it."""

from collections.abc import Iterator

import httpx
import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoDbBlocker

from tests.medimgr.worker_process import WorkerProcess
from tests.running import Instance

ALWAYS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
ANSWERS = [
    # what it is, method, path, status
    ("a page", "GET", "/login/", 200),
    ("a redirect", "GET", "/monitoring/", 302),
    ("a page of the admin", "GET", "/admin/login/", 302),
    ("a file", "GET", "/static/medimgr/app.css", 200),
    ("a file that is not there", "GET", "/static/no-such-file", 404),
    ("an answer of the API", "GET", "/api/version", 200),
    ("the documents of the API", "GET", "/api/docs", 200),
    ("its description", "GET", "/api/openapi.json", 200),
    ("a refusal of the API", "GET", "/api/services", 401),
    ("a refused stream", "GET", "/events/", 401),
    ("a refused poll", "GET", "/events/poll/", 401),
    ("a beacon", "POST", "/events/disconnect/", 204),
    ("an unknown page", "GET", "/no/such/page", 404),
    ("a wrong method", "OPTIONS", "/healthz", 405),
    ("a form without a token", "POST", "/login/", 403),
    ("liveness", "GET", "/healthz", 200),
    ("metrics", "GET", "/metrics", 401),
]


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker
) -> Iterator[tuple[str, str]]:
    """A web worker's address, and the cookie of somebody who is logged in."""
    with django_db_blocker.unblock():
        instance = Instance(tmp_path_factory.mktemp("headers"), DJANGO_HSTS_SECONDS="3600")
        try:
            with instance.database():
                client = Client()
                client.force_login(User.objects.create_superuser("root"))
            worker = WorkerProcess(instance, DJANGO_SETTINGS_MODULE="medimgr.settings")
            try:
                yield worker.ready().url(""), f"sessionid={client.cookies['sessionid'].value}"
            finally:
                worker.close()
        finally:
            instance.close()


def check(answer: httpx.Response) -> None:
    assert {name: answer.headers.get(name) for name in ALWAYS} == ALWAYS
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'") or "; default-src 'none'" in policy
    assert not any(word in policy for word in ("unsafe", "*", "http:", "https:", "data: ;"))
    assert "camera=()" in answer.headers["permissions-policy"]
    assert answer.headers.get_list("x-content-type-options") == ["nosniff"], "each only once"
    assert len(answer.headers.get_list("content-security-policy")) == 1
    assert "server" not in answer.headers, "which server this is, is nobody's business"
    assert "x-powered-by" not in answer.headers
    assert "strict-transport-security" not in answer.headers, "over http it means nothing"
    assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    ("method", "path", "status"), [row[1:] for row in ANSWERS], ids=[row[0] for row in ANSWERS]
)
def test_every_kind_of_answer_has_them(running: tuple[str, str], method: str, path: str, status: int) -> None:
    answer = httpx.request(method, running[0] + path)
    assert answer.status_code == status
    check(answer)


def test_so_has_what_is_refused_before_django(running: tuple[str, str]) -> None:
    answer = httpx.post(running[0] + "/login/", content=b"x" * 6_000_000)
    assert answer.status_code == 413
    check(answer)
    answer = httpx.get(running[0] + "/login/", headers={"Host": "evil.example"})
    assert answer.status_code == 400
    check(answer)


def test_so_has_what_has_not_changed(running: tuple[str, str]) -> None:
    base, cookie = running
    first = httpx.get(base + "/api/services", headers={"Cookie": cookie})
    again = httpx.get(
        base + "/api/services", headers={"Cookie": cookie, "If-None-Match": first.headers["etag"]}
    )
    assert again.status_code == 304
    check(again)


def test_so_has_a_stream(running: tuple[str, str]) -> None:
    base, cookie = running
    with httpx.stream("GET", base + "/events/?topics=service", headers={"Cookie": cookie}) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        check(answer)


@pytest.mark.parametrize("path", ["/monitoring/", "/admin/", "/admin/monitoring/service/", "/operations/"])
def test_a_page_may_run_and_ask_what_is_ours_alone(running: tuple[str, str], path: str) -> None:
    base, cookie = running
    answer = httpx.get(base + path, headers={"Cookie": cookie})
    assert answer.status_code == 200
    check(answer)
    parts = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert parts == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "worker-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
