"""What people see when something goes wrong: a page in words, in our own dress, without details."""

from importlib import import_module
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import InterfaceError, OperationalError
from django.test import Client, override_settings

import monitoring.views
from medimgr.lib.log_context import request_id
from monitoring.exceptions import LogElsewhere
from tests.api import assert_problem, client_of
from tests.factories import make_service

pytestmark = pytest.mark.django_db


def test_a_page_that_does_not_exist(alice: User, client: Client) -> None:
    for someone in (client, client_of(alice)):
        response = someone.get("/nonsense/")
        assert response.status_code == 404
        assert "Not found" in response.content.decode()
        assert "/monitoring/" in response.content.decode()


def test_somebody_without_the_permission_is_told_which_one_and_can_log_out(charlie: User) -> None:
    response = client_of(charlie).get("/monitoring/")
    text = response.content.decode()
    assert response.status_code == 403
    assert "view_service" in text
    assert "charlie" in text
    assert 'action="/logout/"' in text


def test_a_form_that_was_open_too_long(alice: User) -> None:
    response = client_of(alice, csrf=True).post("/logout/")
    assert response.status_code == 403
    assert "reload the page" in response.content.decode()


def test_a_host_that_we_do_not_answer_to(client: Client) -> None:
    response = client.get("/login/", headers={"Host": "evil.example"})
    assert response.status_code == 400
    text = response.content.decode()
    assert "not acceptable" in text
    assert "evil.example" not in text


def test_a_failure_of_ours_gives_nothing_away(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    make_service("web")

    def explode(*_: Any, **__: Any) -> None:
        raise RuntimeError("the password is hunter2")

    monkeypatch.setattr(monitoring.views, "services_snapshot", explode)
    client = client_of(alice)
    client.raise_request_exception = False
    response = client.get("/monitoring/")
    text = response.content.decode()
    assert response.status_code == 500
    assert "Its log says why" in text
    assert "hunter2" not in text
    assert "Traceback" not in text


def test_a_failure_before_the_api_is_reached_is_a_problem_document(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.contrib.auth.middleware import AuthenticationMiddleware

    def explode(*_: Any) -> None:
        raise RuntimeError("hunter2")

    client = client_of(alice)
    client.raise_request_exception = False
    monkeypatch.setattr(AuthenticationMiddleware, "process_request", explode)
    assert_problem(client.get("/api/services"), 500, "internal-error")


HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
JSON = {"Accept": "application/json"}


def assert_page(response: Any, status: int, words: str) -> str:
    text: str = response.content.decode()
    assert response.status_code == status
    assert text.lstrip().startswith("<!DOCTYPE html>")
    assert words in text
    assert response["Cache-Control"] == "no-store"
    return text


@pytest.mark.parametrize(
    "path", ["/monitoring/", "/operations/", "/workstations/", "/logout/", "/events/poll/"]
)
def test_a_method_that_an_address_does_not_take(path: str, alice: User) -> None:
    client = client_of(alice)
    asked = client.get if path == "/logout/" else client.delete
    page = asked(path, headers=HTML)
    assert_page(page, 405, f"{path} does not take ")
    assert page["Allow"]
    document = asked(path, headers=JSON)
    assert_problem(document, 405, "method-not-allowed")
    assert document["Allow"] == page["Allow"]


def test_a_program_gets_the_document_of_what_a_browser_sees_as_a_page(alice: User, charlie: User) -> None:
    assert_page(client_of(alice).get("/nonsense/", headers=HTML), 404, "Not found")
    assert_problem(client_of(alice).get("/nonsense/", headers=JSON), 404, "no-such-page")
    assert_problem(client_of(alice).get("/monitoring/services/none/", headers=JSON), 404, "no-such-page")
    refused = assert_problem(client_of(charlie).get("/monitoring/", headers=JSON), 403, "not-permitted")
    assert "monitoring.view_service" in refused["detail"]
    csrf = client_of(alice, csrf=True).post("/logout/", headers=JSON)
    assert_problem(csrf, 403, "csrf-failed")
    assert_problem(
        client_of(alice).get("/login/", headers={**JSON, "Host": "evil.example"}), 400, "bad-request"
    )


def test_streams_are_for_programs_but_a_browser_may_look_at_their_address(client: Client) -> None:
    assert_problem(client.get("/events/nonsense/"), 404, "no-such-page")
    assert_problem(client.get("/events/nonsense/", headers={"Accept": "*/*"}), 404, "no-such-page")
    assert_page(client.get("/events/nonsense/", headers=HTML), 404, "Not found")


@override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=100)
def test_a_form_that_is_too_large(alice: User) -> None:
    for headers, check in ((HTML, assert_page), (JSON, assert_problem)):
        response = client_of(alice).post("/admin/auth/group/add/", {"name": "x" * 200}, headers=headers)
        check(response, 413, "too large" if headers is HTML else "too-large")


@pytest.mark.parametrize("error", [OperationalError("10.1.2.3 is away"), InterfaceError("closed")])
def test_a_database_that_is_away(alice: User, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def lose(*_: Any, **__: Any) -> None:
        raise error

    client = client_of(alice)
    monkeypatch.setattr(monitoring.views, "services_snapshot", lose)
    page = client.get("/monitoring/", headers=HTML)
    assert "10.1.2.3" not in assert_page(page, 503, "The database does not answer")
    assert page["Retry-After"] == "2"
    assert_problem(client.get("/monitoring/", headers=JSON), 503, "database-unavailable")


def test_a_database_that_is_away_before_any_page_is_reached(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(alice)
    client.raise_request_exception = False

    def lose(*_: Any, **__: Any) -> None:
        raise OperationalError("10.1.2.3 is away")

    async def lose_async(*_: Any, **__: Any) -> None:
        lose()

    store: Any = import_module(settings.SESSION_ENGINE).SessionStore
    monkeypatch.setattr(store, "load", lose)
    monkeypatch.setattr(store, "aload", lose_async)
    for path in ("/monitoring/", "/admin/", "/monitoring/services/none/", "/api/services", "/events/poll/"):
        for headers in (HTML, JSON):
            response = client.get(path, headers=headers)
            assert response.status_code == 503, path
            assert "10.1.2.3" not in response.content.decode()
    assert_page(client.get("/nonsense/", headers=HTML), 503, "The database does not answer")


def test_a_problem_that_a_page_raises_has_its_own_status(
    alice: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def elsewhere(*_: Any, **__: Any) -> None:
        raise LogElsewhere("The log is on node beta.")

    monkeypatch.setattr(monitoring.views, "services_snapshot", elsewhere)
    assert_page(client_of(alice).get("/monitoring/", headers=HTML), 409, "The log is on node beta.")
    assert_problem(client_of(alice).get("/monitoring/", headers=JSON), 409, "log-elsewhere")
    assert [record.levelname for record in caplog.records if record.name == "medimgr.pages"] == ["INFO"] * 2


def test_the_page_names_the_request_for_whoever_helps(alice: User) -> None:
    token = request_id.set("name-of-this-request")
    try:
        for path, status in (("/nonsense/", 404), ("/logout/", 405)):
            assert_page(client_of(alice).get(path, headers=HTML), status, "name-of-this-request")
        document = assert_problem(client_of(alice).get("/api/nonsense"), 404, "no-such-address")
    finally:
        request_id.reset(token)
    assert document["request_id"] == "name-of-this-request"


def test_the_front_door_leads_to_the_services(client: Client) -> None:
    assert client.get("/")["Location"] == "/monitoring/"
    assert client.get("/monitoring/")["Location"] == "/login/?next=/monitoring/"


def test_login_and_logout(client: Client, alice: User) -> None:
    response = client.post("/login/?next=/monitoring/", {"username": "alice", "password": "alice-password"})
    assert response["Location"] == "/monitoring/"
    assert client.get("/monitoring/").status_code == 200
    assert client.get("/logout/").status_code == 405, "a link must not log anybody out"
    client.post("/logout/")
    assert client.get("/monitoring/").status_code == 302


def test_a_login_never_leads_to_another_site(client: Client, alice: User) -> None:
    response = client.post(
        "/login/?next=https://evil.example/", {"username": "alice", "password": "alice-password"}
    )
    assert response["Location"] == "/"
