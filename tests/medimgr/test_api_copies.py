"""Scaling and rolling restarts through the API."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from monitoring.models import Service
from operations.models import Operation
from tests.api import assert_problem, client_of, post
from tests.factories import make_service

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture
def declarer(alice: User) -> Client:
    """An operator, who may also change declarations."""
    return client_of(alice)


def keys() -> list[str]:
    return sorted(Service.objects.values_list("key", flat=True))


def test_scaling_answers_with_what_came_and_what_went(declarer: Client) -> None:
    make_service("web", ports=[8001])
    answer = post(declarer, "/api/services/web/scale", {"instances": 3})
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "service": "web",
            "instances": 3,
            "services": ["web", "web-2", "web-3"],
            "added": ["web-2", "web-3"],
            "removed": [],
        },
    )
    answer = post(declarer, "/api/services/web/scale", {"instances": 2})
    assert answer.json()["removed"] == ["web-3"]
    assert keys() == ["web", "web-2"]
    item = declarer.get("/api/services/web-2").json()
    assert (item["instance_of"], item["instance"], item["ports"]) == ("web", 1, [8002])
    assert declarer.get("/api/services/web").json()["instances"] == 2


def test_scaling_takes_the_right_to_change_what_is_declared(alice: User, bob: User) -> None:
    make_service("web")
    alice.user_permissions.remove(Permission.objects.get(codename="change_service"))
    for user in (alice, bob):
        problem = post(client_of(user), "/api/services/web/scale", {"instances": 2})
        assert_problem(problem, 403, "not-permitted")
    assert keys() == ["web"]


@pytest.mark.parametrize("instances", [0, 101, "2", 2.5, None])
def test_a_number_that_cannot_be_is_refused_by_its_field(declarer: Client, instances: Any) -> None:
    make_service("web")
    problem = assert_problem(
        post(declarer, "/api/services/web/scale", {"instances": instances}), 422, "invalid"
    )
    assert "instances" in " ".join(problem["errors"])


def test_what_cannot_be_scaled_is_said_in_words(declarer: Client) -> None:
    make_service("web", instances=2)
    make_service("web-3")
    problem = assert_problem(post(declarer, "/api/services/web/scale", {"instances": 3}), 422, "cannot-scale")
    assert "web-3, which a copy would be called, is a service of its own" in problem["detail"]
    problem = assert_problem(
        post(declarer, "/api/services/web-2/scale", {"instances": 3}), 422, "cannot-scale"
    )
    assert "Scale web instead" in problem["detail"]
    assert_problem(post(declarer, "/api/services/nobody/scale", {"instances": 3}), 404, "unknown-service")


def test_a_batch_of_restarts_may_roll(declarer: Client) -> None:
    make_service("web", instances=2)
    body = {"action": "restart", "services": ["web", "web-2"], "rolling": True}
    answer = post(declarer, "/api/services/batch", body)
    assert answer.status_code == 202
    rows = Operation.objects.order_by("id")
    assert [(row.target_key, row.parameters) for row in rows] == [
        ("web", {"rolling": True}),
        ("web-2", {"rolling": True}),
    ]
    assert len({row.batch for row in rows}) == 1


def test_a_single_restart_may_wait_for_its_turn(declarer: Client) -> None:
    make_service("web")
    assert post(declarer, "/api/services/web/restart", {"rolling": True}).status_code == 202
    assert Operation.objects.get().parameters == {"rolling": True}


def test_only_restarts_roll(declarer: Client) -> None:
    make_service("web")
    body = {"action": "stop", "services": ["web"], "rolling": True}
    problem = assert_problem(post(declarer, "/api/services/batch", body), 422, "bad-parameters")
    assert "rolling" in problem["errors"]
    assert not Operation.objects.exists()


def test_a_second_stop_takes_the_place_of_the_first(declarer: Client) -> None:
    make_service("web")
    first, second = (post(declarer, "/api/services/web/stop").json()["operation"]["id"] for _ in "12")
    ended = Operation.objects.get(pk=first)
    assert (ended.status, ended.error_code) == ("CANCELLED", "superseded")
    assert Operation.objects.get(pk=second).status == "PENDING"
