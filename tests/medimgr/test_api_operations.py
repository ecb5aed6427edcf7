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


def test_older_pages_are_asked_for_by_the_last_number(operator: Client) -> None:
    ids = [made(f"s{number}").pk for number in range(5)]
    seen: list[int] = []
    query = ""
    while True:
        body = operator.get(f"/api/operations?limit=2{query}").json()
        assert (body["count"], body["complete"]) == (5, True)
        seen += [item["id"] for item in body["items"]]
        if body["next_before"] is None:
            break
        query = f"&before={body['next_before']}"
    assert seen == ids[::-1]


def test_filters_by_group_and_age(operator: Client) -> None:
    now = timezone.now()
    old = made("a", Status.FAILED, created_at=now - timedelta(hours=2))
    late = made("b", Status.TIMEOUT)
    made("c", Status.SUCCESS)

    def found(query: str) -> list[int]:
        return [item["id"] for item in operator.get(f"/api/operations?{query}").json()["items"]]

    assert found("status=failures") == [late.pk, old.pk]
    assert found("status=failures&since=1h") == [late.pk]
    assert found("status=ended&target=service:a") == [old.pk]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=DONE", "status"),
        ("since=yesteryear", "since"),
        ("status=FAILED&active=true", "active"),
        ("batch=%00", "batch"),
        ("before=0", "before"),
    ],
)
def test_a_filter_that_cannot_be_meant_is_named(operator: Client, query: str, field: str) -> None:
    assert list(assert_problem(operator.get(f"/api/operations?{query}"), 422, "invalid")["errors"]) == [field]


def test_the_page_says_the_same_of_a_bad_filter_and_shows_nothing(operator: Client) -> None:
    made("a")
    problem = assert_problem(operator.get("/api/operations?since=yesteryear"), 422, "invalid")
    page = operator.get("/operations/?since=yesteryear").content.decode()
    assert problem["detail"] in page
    assert 'data-operation="1"' not in page.split("<template")[0]


def test_many_are_cancelled_by_their_numbers(operator: Client) -> None:
    waits, runs, ended = made("a", Status.PENDING), made("b", Status.RUNNING), made("c")
    body = {"ids": [waits.pk, runs.pk, ended.pk, 10**9]}
    answer = post(operator, "/api/operations/cancel", body)
    assert answer.status_code == 202
    told = answer.json()
    assert (told["ended"], told["asked"], told["more"]) == (1, 1, False)
    assert [one["code"] for one in told["refused"]] == ["not-cancellable", "operation-gone"]
    waits.refresh_from_db()
    assert (waits.status, waits.cancel_requested_by) == ("CANCELLED", "alice")


def test_all_that_wait_and_fit_are_cancelled(operator: Client) -> None:
    made("a", Status.PENDING, kind="service.stop")
    other = made("b", Status.PENDING)
    told = post(operator, "/api/operations/cancel", {"filter": {"kind": "service.stop"}}).json()
    assert told == {"ended": 1, "asked": 0, "refused": [], "more": False}
    other.refresh_from_db()
    assert other.status == "PENDING"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "ids"),
        ({"ids": [1], "filter": {}}, "ids"),
        ({"ids": []}, "ids"),
        ({"ids": [0]}, "ids.0"),
        ({"ids": list(range(1, 1002))}, "ids"),
        ({"filter": {"since": "soon"}}, "since"),
        ({"filter": {"knd": "service.stop"}}, "filter.knd"),
    ],
)
def test_what_is_to_be_cancelled_has_to_be_clear(operator: Client, body: dict[str, Any], field: str) -> None:
    waits = made("a", Status.PENDING)
    problem = assert_problem(post(operator, "/api/operations/cancel", body), 422, "invalid")
    assert list(problem["errors"]) == [field]
    waits.refresh_from_db()
    assert waits.status == "PENDING"


def test_a_viewer_may_not_cancel_many(bob: User, client: Client) -> None:
    waits = made("a", Status.PENDING)
    for who, status, code in ((client_of(bob), 403, "not-permitted"), (client, 401, "not-logged-in")):
        assert_problem(post(who, "/api/operations/cancel", {"ids": [waits.pk]}), status, code)
        assert_problem(post(who, "/api/operations/cancel", {"filter": {}}), status, code)
    waits.refresh_from_db()
    assert waits.status == "PENDING"
