"""Many operations cancelled at once: by their numbers, or all that wait and fit filters."""

from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from medimgr.events.models import Event
from operations import cancelling, lifecycle
from operations.cancelling import cancel_these, cancel_waiting, end_waiting
from operations.exceptions import LeaseLost, NotPermitted
from operations.models import Batch, Operation
from operations.registry import WORKER_QUEUE
from operations.requester import Requester
from operations.selection import Selection
from operations.states import Status
from tests.benchmarks.seeding import seed_waiting
from tests.operations.asking import ALICE, ask, fresh, together
from tests.operations.rows import made

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]


def waiting(count: int, **fields: Any) -> list[int]:
    return [made(f"w{number}", Status.PENDING, **fields).pk for number in range(count)]


def statuses() -> list[str]:
    return list(Operation.objects.order_by("id").values_list("status", flat=True))


def test_what_waits_ends_at_once_and_says_by_whom() -> None:
    ids = waiting(3)
    outcome = cancel_these(ids, ALICE)
    assert (outcome.ended, outcome.asked, outcome.refused) == (3, 0, [])
    row = Operation.objects.get(pk=ids[0])
    assert (row.status, row.error_code, row.cancel_requested_by) == (Status.CANCELLED, "cancelled", "alice")
    assert row.error_detail == "Cancelled by alice before it began."
    assert row.finished_at is not None
    told = Event.objects.filter(topic="operation").order_by("id")
    assert [(int(event.key), event.data["status"]) for event in told] == [(pk, "CANCELLED") for pk in ids]


def test_it_ends_them_as_one_request_for_each_would() -> None:
    one, other = waiting(2)
    lifecycle.request_cancel(Operation.objects.get(pk=one), ALICE)
    cancel_these([other], ALICE)
    rows: list[dict[str, Any]] = [dict(Operation.objects.filter(pk=pk).values().get()) for pk in (one, other)]
    differ = {
        "id",
        "target_key",
        "finished_at",
        "cancel_requested_at",
        "created_at",
        "run_after",
        "deadline_at",
    }
    first, second = ({name: row[name] for name in row if name not in {*differ, "started_at"}} for row in rows)
    assert first == second


def test_what_runs_is_asked_and_what_ended_is_refused() -> None:
    running = made("r", Status.RUNNING)
    ended = made("e")
    outcome = cancel_these([running.pk, ended.pk, 10**9], ALICE)
    assert (outcome.ended, outcome.asked) == (0, 1)
    assert [(one["operation"], one["code"]) for one in outcome.refused] == [
        (ended.pk, "not-cancellable"),
        (10**9, "operation-gone"),
    ]
    assert fresh(running).cancel_requested_by == "alice"
    assert fresh(running).status == Status.RUNNING
    assert fresh(ended).status == Status.SUCCESS


def test_all_that_wait_and_fit_are_cancelled_and_nothing_else() -> None:
    waiting(5, requester="bob")
    others = [
        made("x", Status.PENDING),
        made("y", Status.RUNNING, requester="bob"),
        made("z", requester="bob"),
    ]
    before = [fresh(row).status for row in others]
    outcome = cancel_waiting(Selection.read({"requested_by": "bob"}), ALICE)
    assert (outcome.ended, outcome.asked, outcome.more) == (5, 0, False)
    assert [fresh(row).status for row in others] == before
    assert Operation.objects.filter(requester="bob", status=Status.CANCELLED).count() == 5


@pytest.mark.parametrize("status", ["RUNNING", "failures", "ended", "SUCCESS"])
def test_filters_that_want_nothing_that_waits_cancel_nothing(status: str) -> None:
    waiting(2)
    made("r", Status.RUNNING)
    assert cancel_waiting(Selection.read({"status": status}), ALICE).ended == 0
    assert statuses() == ["PENDING", "PENDING", "RUNNING"]


def test_more_than_a_request_takes_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancelling, "_AT_A_TIME", 2)
    monkeypatch.setattr(cancelling, "MOST", 4)
    waiting(7)
    first = cancel_waiting(Selection(), ALICE)
    assert (first.ended, first.more) == (4, True)
    second = cancel_waiting(Selection(), ALICE)
    assert (second.ended, second.more) == (3, False)


def test_a_batch_counts_those_that_were_cancelled() -> None:
    now = made("n").created_at
    Batch.objects.create(
        pk="b", kind="service.start", requester="alice", source="api", created_at=now, total=3
    )
    waiting(3, batch="b")
    cancel_waiting(Selection.read({"batch": "b"}), ALICE)
    batch = Batch.objects.get(pk="b")
    assert (batch.cancelled, batch.done) == (3, 3)
    assert batch.finished_at is not None


def test_a_thousand_cost_a_few_queries() -> None:
    seed_waiting(1000, "service.start")
    with CaptureQueriesContext(connection) as asked:
        assert cancel_waiting(Selection(), ALICE).ended == 1000
    assert len(asked) <= 80


def test_who_may_not_cancel_is_refused(bob: User) -> None:
    ids = waiting(1)
    viewer = Requester("bob", "page", user=bob)
    with pytest.raises(NotPermitted, match=r"operations\.cancel_operation"):
        cancel_these(ids, viewer)
    with pytest.raises(NotPermitted, match=r"operations\.cancel_operation"):
        cancel_waiting(Selection(), viewer)
    assert statuses() == ["PENDING"]


def test_nothing_is_claimed_and_cancelled_both() -> None:
    for round_ in range(15):
        operations = [ask(key=f"race{round_}-{number}") for number in range(6)]
        ids = [operation.pk for operation in operations]
        claimed, cancelled = together(
            partial(lifecycle.claim, WORKER_QUEUE, f"worker-{round_}", limit=6),
            partial(end_waiting, ids, ALICE),
        )
        taken = {operation.pk for operation in claimed}
        assert taken | cancelled <= set(ids)
        assert not taken & cancelled
        for operation in claimed:  # whoever has it can end it: nobody has taken it away
            lifecycle.finish(operation, Status.SUCCESS)
        for pk in cancelled:
            row = Operation.objects.get(pk=pk)
            assert row.status == Status.CANCELLED
            with pytest.raises(LeaseLost):
                lifecycle.finish(row, Status.SUCCESS)
        end_waiting(ids, ALICE)
