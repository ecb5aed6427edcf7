"""Batches through the API: followed, cancelled, asked for again as a whole."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from operations import lifecycle
from operations.models import Batch, Operation
from operations.registry import node_queue
from operations.states import Status
from tests.api import assert_problem, client_of, post
from tests.factories import make_node, make_service

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture
def operator(alice: User) -> Client:
    return client_of(alice)


def asked(operator: Client, *keys: str, action: str = "restart", **more: Any) -> dict[str, Any]:
    for key in keys:
        make_service(key)
    body = {"action": action, "services": [*keys, "missing"], **more}
    answer = post(operator, "/api/services/batch", body)
    assert answer.status_code == 202
    outcome: dict[str, Any] = answer.json()
    return outcome


def claim() -> dict[str, Operation]:
    return {row.target_key: row for row in lifecycle.claim(node_queue(make_node().name), "me")}


def path(batch: str, verb: str = "") -> str:
    return f"/api/operations/batches/{batch}{'/' + verb if verb else ''}"


def test_a_batch_says_how_far_it_is(operator: Client) -> None:
    outcome = asked(operator, "a", "b", "c", reason="update")
    held = claim()
    lifecycle.finish(held["a"], Status.SUCCESS)
    lifecycle.finish(held["b"], Status.FAILED, "spawn-failed", "No such program.")
    with CaptureQueriesContext(connection) as queries:
        shown = operator.get(path(outcome["batch"])).json()
    assert len([one for one in queries if "operations_batch" in one["sql"]]) == 1
    assert not [one for one in queries if "operations_operation" in one["sql"]]
    assert shown["progress"] == "3/4, 1 failed, 1 refused"
    assert (shown["total"], shown["done"], shown["succeeded"], shown["failed"], shown["cancelled"]) == (
        4,
        3,
        1,
        1,
        0,
    )
    assert shown["refused"] == [
        {
            "target": "service:missing",
            "code": "unknown-service",
            "detail": "There is no service with the key 'missing'.",
        }
    ]
    assert (shown["kind"], shown["requested_by"], shown["source"], shown["reason"], shown["finished_at"]) == (
        "service.restart",
        "alice",
        "api",
        "update",
        None,
    )
    lifecycle.finish(held["c"], Status.SUCCESS)
    assert operator.get(path(outcome["batch"])).json()["finished_at"].endswith("Z")


def test_the_answer_to_the_request_says_the_same(operator: Client) -> None:
    outcome = asked(operator, "a", "b")
    assert outcome["state"] == operator.get(path(outcome["batch"])).json()
    found = operator.get(f"/api/operations?batch={outcome['batch']}").json()["items"]
    assert sorted(one["id"] for one in found) == [one["id"] for one in outcome["operations"]]
    assert outcome["state"]["url"] == f"/operations/?batch={outcome['batch']}"


def test_its_page_shows_its_operations_and_its_progress(operator: Client) -> None:
    outcome = asked(operator, "a", "b")
    page = operator.get(outcome["state"]["url"])
    assert page.status_code == 200
    assert "1/3, 1 refused" in page.content.decode()
    one = operator.get(outcome["operations"][0]["url"]).content.decode()
    assert outcome["state"]["url"] in one
    assert "Restart of 3" in one


def test_a_cancel_ends_what_waits_and_asks_what_runs(operator: Client) -> None:
    outcome = asked(operator, "a", "b", "c")
    Operation.objects.filter(target_key="c").update(queue="elsewhere")
    claim()
    answer = post(operator, path(outcome["batch"], "cancel"))
    assert answer.status_code == 202
    body = answer.json()
    assert (body["ended"], body["asked"], body["batch"]["cancelled"]) == (1, 2, 1)
    assert set(Operation.objects.values_list("cancel_requested_by", flat=True)) == {"alice"}


def test_a_batch_that_has_ended_cannot_be_cancelled(operator: Client) -> None:
    outcome = asked(operator, "a")
    post(operator, path(outcome["batch"], "cancel"))
    problem = assert_problem(post(operator, path(outcome["batch"], "cancel")), 409, "not-cancellable")
    assert "2/2, 1 cancelled, 1 refused" in problem["detail"]


def test_what_failed_is_asked_for_again(operator: Client) -> None:
    outcome = asked(operator, "a", "b", rolling=True)
    held = claim()
    lifecycle.finish(held["a"], Status.SUCCESS)
    lifecycle.finish(held["b"], Status.FAILED, "lease-lost", "Lost.")
    answer = post(operator, path(outcome["batch"], "retry"))
    assert answer.status_code == 202
    body = answer.json()
    assert (body["batch"]["total"], body["batch"]["progress"]) == (1, "0/1")
    [again] = body["operations"]
    assert (again["target"], again["batch"]) == ("service:b", body["batch"]["id"])
    row = Operation.objects.get(pk=again["id"])
    assert (row.retry_of, row.parameters) == (held["b"], {"rolling": True})
    assert_problem(post(operator, path(outcome["batch"], "retry")), 409, "not-retryable")


@pytest.mark.parametrize("batch", ["nonsense", "a%00b", "x" * 300, "cancel", "%20"])
def test_an_unknown_batch_has_one_answer_at_every_door(operator: Client, batch: str) -> None:
    for answer in (
        operator.get(path(batch)),
        post(operator, path(batch, "cancel")),
        post(operator, path(batch, "retry")),
    ):
        assert_problem(answer, 404, "unknown-batch")


def test_nothing_is_stored_of_a_request_that_is_refused_as_a_whole(operator: Client) -> None:
    make_service("a")
    body = {"action": "stop", "services": ["a"], "rolling": True}
    assert_problem(post(operator, "/api/services/batch", body), 422, "bad-parameters")
    assert not Batch.objects.exists()


def test_the_same_key_with_other_services_is_refused(operator: Client) -> None:
    for key in ("a", "b"):
        make_service(key)
    once = {"Idempotency-Key": "nightly"}
    first = post(operator, "/api/services/batch", {"action": "restart", "services": ["a"]}, **once).json()
    body = {"action": "restart", "services": ["b"]}
    problem = assert_problem(
        post(operator, "/api/services/batch", body, **once), 409, "idempotency-key-reused"
    )
    assert first["batch"] in problem["detail"]
    assert Operation.objects.count() == 1


def test_a_viewer_may_look_and_do_nothing(bob: User, charlie: User, client: Client, operator: Client) -> None:
    batch = asked(operator, "a")["batch"]
    assert client_of(bob).get(path(batch)).status_code == 200
    assert_problem(client_of(charlie).get(path(batch)), 403, "not-permitted")
    assert_problem(client.get(path(batch)), 401, "not-logged-in")
    for verb in ("cancel", "retry"):
        assert_problem(post(client_of(bob), path(batch, verb)), 403, "not-permitted")
        assert_problem(post(client_of(charlie), path(batch, verb)), 403, "not-permitted")
        assert_problem(post(client, path(batch, verb)), 401, "not-logged-in")
        assert operator.get(path(batch, verb)).status_code == 405
    assert Operation.objects.get().status == Status.PENDING
