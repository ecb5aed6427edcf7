"""Who gets through which door of the API: an operator, a viewer, a non-staff account, a stranger."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from operations.models import Operation
from tests.api import assert_problem, client_of, post
from tests.factories import make_service

READS = [
    "/api/status",
    "/api/services",
    "/api/services/sleeper",
    "/api/services/sleeper/history",
    "/api/operations",
    "/api/operations/stats",
    "/api/operations/chores",
    "/api/events/stats",
    "/api/events/health",
]
ACTIONS: list[tuple[str, Any]] = [
    ("/api/services/sleeper/start", None),
    ("/api/services/sleeper/stop", {"force": True}),
    ("/api/services/sleeper/restart", {"reason": "because"}),
    ("/api/services/sleeper/auto-recovery", {"enabled": False}),
    ("/api/services/batch", {"action": "stop", "services": ["sleeper"]}),
]
PUBLIC = ["/api/health", "/api/version"]

pytestmark = pytest.mark.django_db(transaction=False)


@pytest.fixture(autouse=True)
def sleeper(db: None) -> None:
    make_service("sleeper")


@pytest.mark.parametrize("path", READS)
def test_staff_with_view_permission_may_read(alice: User, bob: User, path: str) -> None:
    assert client_of(alice).get(path).status_code == 200
    assert client_of(bob).get(path).status_code == 200


@pytest.mark.parametrize("path", [*READS, "/api/services/sleeper/log", "/api/services/no-such-thing"])
def test_a_known_stranger_may_read_nothing(charlie: User, path: str) -> None:
    problem = assert_problem(client_of(charlie).get(path), 403, "not-permitted")
    assert "permission" in problem["detail"]


@pytest.mark.parametrize("path", [*READS, "/api/services/sleeper/log"])
def test_somebody_unknown_is_told_to_log_in(client: Client, path: str) -> None:
    response = client.get(path)
    assert_problem(response, 401, "not-logged-in")
    assert response["WWW-Authenticate"]


@pytest.mark.parametrize(("path", "body"), ACTIONS)
def test_an_operator_may_act(alice: User, path: str, body: Any) -> None:
    response = post(client_of(alice), path, body)
    assert response.status_code == 202, response.content
    assert Operation.objects.get().requester == "alice"


@pytest.mark.parametrize(("path", "body"), ACTIONS)
def test_a_viewer_may_look_and_not_touch(bob: User, path: str, body: Any) -> None:
    assert_problem(post(client_of(bob), path, body), 403, "not-permitted")
    assert not Operation.objects.exists()


@pytest.mark.parametrize(("path", "body"), ACTIONS)
def test_strangers_may_not_act(charlie: User, client: Client, path: str, body: Any) -> None:
    assert_problem(post(client_of(charlie), path, body), 403, "not-permitted")
    assert_problem(post(client, path, body), 401, "not-logged-in")
    assert not Operation.objects.exists()


def test_reading_logs_is_a_permission_of_its_own(alice: User, bob: User) -> None:
    assert client_of(alice).get("/api/services/sleeper/log").status_code == 200
    assert_problem(client_of(bob).get("/api/services/sleeper/log"), 403, "not-permitted")


def test_a_stranger_cannot_find_out_which_services_exist(charlie: User) -> None:
    client = client_of(charlie)
    there, missing = client.get("/api/services/sleeper"), client.get("/api/services/missing")
    assert there.content == missing.content


def test_a_deactivated_account_is_a_stranger(alice: User) -> None:
    client = client_of(alice)
    assert client.get("/api/services").status_code == 200
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert_problem(client.get("/api/services"), 401, "not-logged-in")


@pytest.mark.parametrize("path", PUBLIC)
def test_health_and_version_need_no_login(client: Client, charlie: User, path: str) -> None:
    assert client.get(path).status_code == 200
    assert client_of(charlie).get(path).status_code == 200
