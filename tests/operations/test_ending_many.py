"""Operations that end at the same moment are written down together, each as long as it is held."""

import threading

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from medimgr.events.models import Event
from operations import lifecycle
from operations.exceptions import LeaseLost
from operations.executor import Executor
from operations.lifecycle import End
from operations.models import Batch, Operation
from operations.registry import WORKER_QUEUE
from operations.states import Status
from tests.operations.asking import BERTA, WORK, ask, declare, fresh, running, wait_until_ended
from tests.running import wait_for

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def claimed(count: int, batch: str = "") -> list[Operation]:
    for number in range(count):
        ask(key=f"s{number:02}", batch=batch)
    return lifecycle.claim(WORKER_QUEUE, "w", limit=count)


def test_each_ends_its_own_way_with_its_own_event() -> None:
    held = claimed(3)
    held[0].progress_done = 4
    ends = [
        End(held[0], Status.SUCCESS),
        End(held[1], Status.FAILED, "no-disk", "Full."),
        End(held[2], Status.TIMEOUT, "timeout", "Late."),
    ]
    assert lifecycle.finish_all(ends) == [None, None, None]
    rows = [fresh(operation) for operation in held]
    assert [(row.status, row.error_code) for row in rows] == [
        ("SUCCESS", ""),
        ("FAILED", "no-disk"),
        ("TIMEOUT", "timeout"),
    ]
    assert rows[0].progress_done == 4
    told = {event.key: event.data for event in Event.objects.order_by("id")}
    for operation, row in zip(held, rows, strict=True):
        assert operation.public() == row.public() == told[str(row.pk)]


def test_one_that_is_lost_does_not_hold_up_the_others() -> None:
    held = claimed(4)
    lifecycle.finish(fresh(held[1]), Status.FAILED, "first", "Somebody was faster.")
    Operation.objects.filter(pk=held[2].pk).update(lease_token=9, lease_owner="another")
    outcomes = lifecycle.finish_all([End(operation, Status.SUCCESS) for operation in held])
    assert [type(outcome) for outcome in outcomes] == [type(None), LeaseLost, LeaseLost, type(None)]
    assert "first" in str(outcomes[1])
    assert "another" in str(outcomes[2])
    assert [fresh(operation).status for operation in held] == ["SUCCESS", "FAILED", "RUNNING", "SUCCESS"]


def test_the_same_one_twice_ends_once() -> None:
    [held] = claimed(1)
    lifecycle.finish_all([End(held, Status.SUCCESS)])
    [lost] = lifecycle.finish_all([End(held, Status.FAILED, "late")])
    assert isinstance(lost, LeaseLost)
    assert fresh(held).status == Status.SUCCESS


def test_many_cost_as_many_queries_as_one() -> None:
    held = claimed(20)
    with CaptureQueriesContext(connection) as one:
        lifecycle.finish_all([End(held[0], Status.SUCCESS)])
    with CaptureQueriesContext(connection) as many:
        lifecycle.finish_all([End(operation, Status.SUCCESS) for operation in held[1:]])
    assert len(many) == len(one)


def test_a_cancel_that_came_before_the_end_is_kept_in_it() -> None:
    [held] = claimed(1)
    lifecycle.request_cancel(fresh(held), BERTA)
    lifecycle.finish_all([End(held, Status.SUCCESS)])
    assert fresh(held).cancel_requested_by == "berta"
    assert held.public() == fresh(held).public()


def test_an_end_counts_in_its_batch() -> None:
    Batch.objects.create(
        id="b", kind=WORK, requester="alice", source="api", created_at=timezone.now(), total=5
    )
    held = claimed(4, batch="b")
    waiting = ask(key="waiting", batch="b")
    lifecycle.finish_all([End(held[0], Status.SUCCESS), End(held[1], Status.FAILED, "x")])
    lifecycle.request_cancel(waiting, BERTA)
    lifecycle.fail_abandoned(WORKER_QUEUE, "another")
    batch = Batch.objects.get()
    assert (batch.succeeded, batch.failed, batch.cancelled, batch.done) == (1, 3, 1, 5)
    assert batch.finished_at is not None
    assert Event.objects.filter(topic="batch").latest("id").data["done"] == 5


def test_one_that_is_replaced_counts_in_its_batch() -> None:
    Batch.objects.create(
        id="b", kind=WORK, requester="alice", source="api", created_at=timezone.now(), total=1
    )
    declare("service.override", supersedes=frozenset({WORK}))
    ask(batch="b")
    ask("service.override")
    assert (Batch.objects.get().cancelled, Batch.objects.get().done) == (1, 1)


def test_what_people_or_programs_say_is_made_fit_to_be_stored() -> None:
    [held] = claimed(1)
    lifecycle.report(held, -5, 2**40, "a\0b\ud800")
    lifecycle.finish(held, Status.FAILED, "odd", "\0 half \udc80 \x1b[31mred")
    row = fresh(held)
    assert (row.progress_done, row.progress_total, row.progress_message) == (0, 2**31 - 1, "ab?")
    assert row.error_detail == " half ? red"


@pytest.mark.django_db(transaction=True)
def test_ends_are_kept_while_the_database_is_away(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    away, refused = threading.Event(), threading.Event()
    really = lifecycle.finish_all

    def finish_all(ends: list[End]) -> list[LeaseLost | None]:
        if away.is_set():
            refused.set()
            raise OperationalError("server closed the connection")
        return really(ends)

    monkeypatch.setattr(lifecycle, "finish_all", finish_all)
    declare(handler=lambda job: None)
    away.set()
    with running(Executor(threads=2)) as executor:
        asked = [ask(key=f"s{number}") for number in range(6)]
        assert refused.wait(5)
        wait_for(lambda: len(executor.held()) == 6, 5, "all have been carried out")
        away.clear()
        assert {wait_until_ended(operation).status for operation in asked} == {"SUCCESS"}
        wait_for(lambda: not executor.held(), 5, "they are settled")
    assert "not stored yet" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_a_crowd_of_brief_ones_costs_few_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    really = lifecycle.finish_all

    def finish_all(ends: list[End]) -> list[LeaseLost | None]:
        sizes.append(len(ends))
        return really(ends)

    monkeypatch.setattr(lifecycle, "finish_all", finish_all)
    declare(handler=lambda job: None)
    asked = [ask(key=f"s{number:03}") for number in range(120)]
    Executor(threads=4).run(drain=True)
    assert {fresh(operation).status for operation in asked} == {"SUCCESS"}
    assert sum(sizes) == 120
    assert len(sizes) < 60, "They were not written together."
