"""What people see when something goes wrong: a page in words, in our own dress, without details."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

import monitoring.views
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
