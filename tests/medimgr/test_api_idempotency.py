"""``Idempotency-Key``: who has heard no answer asks again, and nothing is done twice. For every action."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from operations.models import Batch, Operation
from operations.states import Status
from operations.transitions import Change, change, ending
from tests.api import assert_problem, client_of, post
from tests.factories import make_service
from workstations.models import Emulator, Workstation

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

KEY = {"Idempotency-Key": "once"}
SAFE = frozenset({"get", "head"})
BY_NATURE = {
    "/api/services/{key}/scale",
    "/api/services/import",
    "/api/workstations/import",
    "/api/workstations",  # a name is taken only once
    "/api/workstations/{workstation_id}",
    "/api/operations/cancel",
    "/api/operations/chores/{name}/run",
    "/api/events/kick",
    "/api/events/connections/{connection_id}/kick",
    "/api/events/test",  # each is one more, and does nothing
}
"""What comes to the same when it is asked twice."""


@pytest.fixture
def operator(alice: User) -> Client:
    return client_of(alice)


@pytest.fixture
def sleeper(db: None) -> None:
    make_service("sleeper")


def ended(status: Status, batch: str = "", key: str = "sleeper", **fields: Any) -> Operation:
    now = timezone.now()
    values: dict[str, Any] = {
        "kind": "service.start",
        "target_type": "service",
        "target_key": key,
        "requester": "alice",
        "source": "api",
        "queue": "node:testnode",
        "created_at": now,
        "run_after": now,
        "deadline_at": now,
        "finished_at": now,
    }
    return Operation.objects.create(status=status, batch=batch, **(values | fields))


def end(pk: int) -> None:
    change([Change(pk, {"status": Status.PENDING}, ending(Status.FAILED, "spawn-error", "No."))])


def test_every_action_takes_a_key_or_comes_to_the_same_by_nature(client: Client) -> None:
    schema = client.get("/api/openapi.json").json()
    without = {
        path
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
        if method not in SAFE
        and not path.startswith("/api/auth/")
        and "Idempotency-Key" not in {one.get("name") for one in operation["parameters"]}
    }
    assert without == BY_NATURE


def test_a_cleanup_is_asked_for_once(operator: Client) -> None:
    first, second = (operator.delete("/api/operations/cleanup", headers=KEY) for _ in range(2))
    assert first.json() == second.json()
    assert Operation.objects.count() == 1


def test_a_cleanup_is_found_again_though_another_runs_by_now(operator: Client) -> None:
    first = operator.delete("/api/operations/cleanup", headers=KEY).json()["operation"]
    end(first["id"])
    other = operator.delete("/api/operations/cleanup").json()["operation"]
    now = timezone.now()
    Operation.objects.filter(pk=other["id"]).update(status="RUNNING", lease_until=now, started_at=now)
    again = operator.delete("/api/operations/cleanup", headers=KEY)
    assert again.json()["operation"]["id"] == first["id"]
    assert_problem(operator.delete("/api/operations/cleanup"), 409, "target-busy")


def test_a_key_belongs_to_what_it_was_used_for(operator: Client) -> None:
    operator.delete("/api/operations/cleanup", headers=KEY)
    other = operator.delete("/api/operations/cleanup?keep_hours=5", headers=KEY)
    assert_problem(other, 409, "idempotency-key-reused")


def test_a_retry_is_asked_for_once(operator: Client, sleeper: None) -> None:
    old = ended(Status.FAILED)
    path = f"/api/operations/{old.pk}/retry"
    first = post(operator, path, **KEY)
    assert first.status_code == 202, first.content
    end(first.json()["operation"]["id"])
    second = post(operator, path, **KEY)
    assert second.json()["operation"]["id"] == first.json()["operation"]["id"]
    assert second.json()["operation"]["status"] == "FAILED"


def test_the_key_of_one_retry_does_not_do_for_another(operator: Client, sleeper: None) -> None:
    one, other = ended(Status.FAILED), ended(Status.FAILED)
    end(post(operator, f"/api/operations/{one.pk}/retry", **KEY).json()["operation"]["id"])
    assert_problem(post(operator, f"/api/operations/{other.pk}/retry", **KEY), 409, "idempotency-key-reused")
    assert_problem(post(operator, "/api/services/sleeper/start", **KEY), 409, "idempotency-key-reused")


def test_a_batch_is_retried_once(operator: Client, sleeper: None) -> None:
    batch = Batch.objects.create(
        id="b1", kind="service.start", requester="alice", source="api", created_at=timezone.now(), total=1
    )
    ended(Status.FAILED, batch="b1")
    path = f"/api/operations/batches/{batch.pk}/retry"
    first, second = post(operator, path, **KEY), post(operator, path, **KEY)
    assert first.status_code == second.status_code == 202, second.content
    assert first.json()["batch"]["id"] == second.json()["batch"]["id"]
    assert len(second.json()["operations"]) == 1
    assert_problem(post(operator, path), 409, "not-retryable")


def test_the_key_of_a_batch_does_not_do_for_the_retry_of_one(operator: Client, sleeper: None) -> None:
    body = {"action": "start", "services": ["sleeper"]}
    made = post(operator, "/api/services/batch", body, **KEY).json()
    end(made["operations"][0]["id"])
    path = f"/api/operations/batches/{made['batch']}/retry"
    assert_problem(post(operator, path, **KEY), 409, "idempotency-key-reused")


def test_cancelling_again_with_a_key_is_no_error(operator: Client, sleeper: None) -> None:
    pk = post(operator, "/api/services/sleeper/start").json()["operation"]["id"]
    path = f"/api/operations/{pk}/cancel"
    first, second = post(operator, path, **KEY), post(operator, path, **KEY)
    assert first.json() == second.json()
    assert second.json()["operation"]["status"] == "CANCELLED"
    assert_problem(post(operator, path), 409, "not-cancellable")


def test_what_somebody_else_ended_is_not_told_as_ones_own_cancellation(
    operator: Client, sleeper: None
) -> None:
    by_bob = ended(Status.CANCELLED, cancel_requested_by="bob", cancel_requested_at=timezone.now())
    assert_problem(post(operator, f"/api/operations/{by_bob.pk}/cancel", **KEY), 409, "not-cancellable")
    superseded = ended(Status.CANCELLED)
    assert_problem(post(operator, f"/api/operations/{superseded.pk}/cancel", **KEY), 409, "not-cancellable")


def test_a_batch_is_cancelled_again_without_an_error(operator: Client, sleeper: None) -> None:
    body = {"action": "start", "services": ["sleeper"]}
    batch = post(operator, "/api/services/batch", body).json()["batch"]
    path = f"/api/operations/batches/{batch}/cancel"
    assert post(operator, path, **KEY).json()["ended"] == 1
    assert post(operator, path, **KEY).json()["ended"] == 0
    assert_problem(post(operator, path), 409, "not-cancellable")


def test_batches_of_workstations_and_emulators_are_asked_for_once(operator: Client) -> None:
    machine = Workstation.objects.create(name="pc", host="192.0.2.1")
    emulator = Emulator.objects.create(workstation=machine, index=0, title="Farm")
    for path, body in (
        ("/api/workstations/batch-test-connection", {"workstations": [machine.pk]}),
        ("/api/emulators/batch-start", {"emulators": [emulator.pk]}),
    ):
        headers = {"Idempotency-Key": path}
        first, second = post(operator, path, body, **headers), post(operator, path, body, **headers)
        assert first.status_code == 202, first.content
        assert first.json()["operations"] == second.json()["operations"]
    assert Operation.objects.count() == 2
