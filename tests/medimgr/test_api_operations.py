"""Operations through the API: found, counted, cancelled, asked for again."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from operations.models import Operation
from operations.states import Status
from tests.api import assert_problem, client_of, post
from tests.factories import make_service

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture
def operator(alice: User) -> Client:
    return client_of(alice)


def made(key: str = "web", status: Status = Status.SUCCESS, seconds: float = 2.0, **fields: Any) -> Operation:
    now = timezone.now()
    ended = status not in {Status.PENDING, Status.RUNNING}
    values = {
        "kind": "service.start",
        "target_type": "service",
        "requester": "alice",
        "source": "api",
        "queue": "node:testnode",
        "created_at": now - timedelta(seconds=seconds),
        "run_after": now,
        "deadline_at": now + timedelta(minutes=5),
        "started_at": None if status == Status.PENDING else now - timedelta(seconds=seconds),
        "finished_at": now if ended else None,
    }
    return Operation.objects.create(target_key=key, status=status, **(values | fields))


def test_an_operation_has_the_promised_shape(operator: Client) -> None:
    operation = made(status=Status.FAILED, error_code="spawn-error", error_detail="No such file.")
    body = operator.get(f"/api/operations/{operation.pk}").json()
    assert set(body) >= {
        "id", "kind", "target", "status", "progress", "error", "requested_by", "reason",
        "created_at", "started_at", "finished_at", "url",
    }  # fmt: skip
    assert body["error"] == {"code": "spawn-error", "detail": "No such file."}
    assert body["progress"] == {"done": 0, "total": 0, "message": ""}
    assert body["created_at"].endswith("Z")
    assert body["url"] == f"/operations/{operation.pk}/"


def test_filters(operator: Client) -> None:
    a = made("a", Status.PENDING)
    b = made("b", Status.FAILED, kind="service.stop", requester="bob")
    c = made("a", Status.SUCCESS)

    def found(query: str) -> list[int]:
        body = operator.get(f"/api/operations?{query}").json()
        assert body["count"] == len(body["items"])
        return [item["id"] for item in body["items"]]

    assert found("") == [c.pk, b.pk, a.pk]
    assert found("status=FAILED") == [b.pk]
    assert found("kind=service.stop") == [b.pk]
    assert found("target=service:a") == [c.pk, a.pk]
    assert found("target=service") == [c.pk, b.pk, a.pk]
    assert found("target=workstation:a") == []
    assert found("requested_by=bob") == [b.pk]
    assert found("active=true") == [a.pk]
    assert found("active=false") == [c.pk, b.pk]
    assert found("target=service:a&status=SUCCESS") == [c.pk]


def test_pages_count_everything(operator: Client) -> None:
    for number in range(5):
        made(f"s{number}")
    body = operator.get("/api/operations?limit=2&offset=2").json()
    assert body["count"] == 5
    assert [item["target"] for item in body["items"]] == ["service:s2", "service:s1"]


@pytest.mark.parametrize("path", ["/api/operations", "/api/operations/stats"])
def test_the_number_of_queries_does_not_grow(operator: Client, path: str) -> None:
    def questions() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert operator.get(path).status_code == 200
        return len(asked)

    made("s0")
    few = questions()
    for number in range(1, 20):
        made(f"s{number}", [Status.SUCCESS, Status.FAILED, Status.PENDING][number % 3])
    assert questions() == few


def test_stats_count_what_is_kept(operator: Client) -> None:
    made("a", Status.SUCCESS, seconds=1)
    made("b", Status.SUCCESS, seconds=3)
    made("c", Status.FAILED, seconds=2, kind="service.stop")
    made("d", Status.PENDING)
    made("e", Status.RUNNING)
    body = operator.get("/api/operations/stats").json()
    assert (body["total"], body["active"]) == (5, 2)
    assert body["by_status"] == {
        "PENDING": 1, "RUNNING": 1, "SUCCESS": 2, "FAILED": 1, "CANCELLED": 0, "TIMEOUT": 0,
    }  # fmt: skip
    assert body["by_kind"] == {"service.start": 4, "service.stop": 1}
    assert body["success_rate"] == pytest.approx(2 / 3, abs=1e-3)
    assert body["duration_seconds"]["average"] == pytest.approx(2.0, abs=0.1)
    assert body["duration_seconds"]["longest"] == pytest.approx(3.0, abs=0.1)
    assert body["oldest"].endswith("Z")


def test_stats_of_nothing_claim_nothing(operator: Client) -> None:
    body = operator.get("/api/operations/stats").json()
    assert (body["total"], body["success_rate"], body["oldest"]) == (0, None, None)
    assert body["duration_seconds"] == dict.fromkeys(("average", "median", "p95", "longest"))


def test_what_waits_is_cancelled_at_once(operator: Client) -> None:
    operation = made(status=Status.PENDING)
    answer = post(operator, f"/api/operations/{operation.pk}/cancel")
    assert answer.status_code == 202
    assert answer.json()["operation"]["status"] == "CANCELLED"


def test_what_runs_is_asked_to_end(operator: Client) -> None:
    operation = made(status=Status.RUNNING)
    shown = post(operator, f"/api/operations/{operation.pk}/cancel").json()["operation"]
    assert (shown["status"], shown["cancel_requested"]) == ("RUNNING", True)


def test_what_has_ended_cannot_be_cancelled(operator: Client) -> None:
    operation = made(status=Status.SUCCESS)
    assert_problem(post(operator, f"/api/operations/{operation.pk}/cancel"), 409, "not-cancellable")


def test_what_failed_is_asked_for_again(operator: Client) -> None:
    make_service("web")
    operation = made(status=Status.FAILED)
    shown = post(operator, f"/api/operations/{operation.pk}/retry").json()["operation"]
    assert (shown["status"], shown["target"]) == ("PENDING", "service:web")
    assert Operation.objects.get(pk=shown["id"]).retry_of == operation


def test_what_succeeded_is_not_asked_for_again(operator: Client) -> None:
    make_service("web")
    operation = made(status=Status.SUCCESS)
    assert_problem(post(operator, f"/api/operations/{operation.pk}/retry"), 409, "not-retryable")


@pytest.mark.parametrize("verb", ["cancel", "retry"])
def test_a_viewer_may_not(bob: User, charlie: User, client: Client, verb: str) -> None:
    make_service("web")
    operation = made(status=Status.PENDING if verb == "cancel" else Status.FAILED)
    path = f"/api/operations/{operation.pk}/{verb}"
    assert_problem(post(client_of(bob), path), 403, "not-permitted")
    assert_problem(post(client_of(charlie), path), 403, "not-permitted")
    assert_problem(post(client, path), 401, "not-logged-in")
    assert Operation.objects.get().status == operation.status
