"""Two that decide about one operation at the same moment, some hundred times: one of them wins, whole."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from monitoring.models import Service
from operations import lifecycle
from operations.exceptions import LeaseLost, NotCancellable, OperationGone, TargetBusy
from operations.intake import request_operation, retry
from operations.models import Operation
from operations.purge import purge
from operations.registry import WORKER_QUEUE
from operations.states import Status
from tests.operations.asking import ALICE, BERTA, WORK, declare, service
from tests.operations.racing import ended_once, race

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db(transaction=True)]

ROUNDS = 40
QUEUE = WORKER_QUEUE


@pytest.fixture
def target() -> Service:
    declare("service.override", preempts=frozenset({WORK}), supersedes=frozenset({WORK}))
    return service()


def asked(target: Service, kind: str = WORK) -> Operation:
    for row in Operation.objects.active():  # what the race before left behind
        lifecycle.request_cancel(row, ALICE)
    lifecycle.fail_abandoned(QUEUE, "nobody")
    return request_operation(kind, target, target.key, queue=QUEUE, requester=ALICE)


def begun(target: Service, lease_seconds: float = 30.0) -> Operation:
    asked(target)
    [held] = lifecycle.claim(QUEUE, "w1", lease_seconds=lease_seconds)
    return held


def finish(held: Operation) -> None:
    lifecycle.finish(Operation.objects.get(pk=held.pk), Status.SUCCESS)


def cancel(operation: Operation) -> Operation:
    return lifecycle.request_cancel(Operation(pk=operation.pk), BERTA)


def reap(_: Operation) -> int:
    return lifecycle.reap(timezone.now())


def both_ways(words: dict[str, int], *expected: str) -> None:
    """Assert that it came out now one way, now the other, and never a third."""
    assert set(words) == set(expected), words


def test_a_cancel_and_the_end_of_the_work(target: Service) -> None:
    def check(held: Operation, cancelled: Any, finished: Any) -> str:
        row = ended_once(held)
        assert finished is None, finished
        assert (row.status, row.error_code) == (Status.SUCCESS, ""), "The work was done."
        if isinstance(cancelled, Operation):
            assert row.cancel_requested_by == BERTA.name
            return "asked in time"
        assert isinstance(cancelled, NotCancellable), cancelled
        assert row.cancel_requested_at is None
        return "too late"

    words = race(2 * ROUNDS, lambda _: begun(target), (cancel, finish), check)
    both_ways(words, "asked in time", "too late")


def test_a_cancel_and_the_claim(target: Service) -> None:
    def check(operation: Operation, cancelled: Any, claimed: Any) -> str:
        row = Operation.objects.get(pk=operation.pk)
        assert isinstance(cancelled, Operation), cancelled
        if row.status == Status.CANCELLED:
            assert claimed == [], claimed
            assert ended_once(operation).started_at is None
            return "cancelled"
        assert row.status == Status.RUNNING
        assert [held.pk for held in claimed] == [row.pk]
        assert row.cancel_requested_by == BERTA.name
        return "asked to stop"

    words = race(2 * ROUNDS, lambda _: asked(target), (cancel, lambda _: lifecycle.claim(QUEUE, "w1")), check)
    both_ways(words, "cancelled", "asked to stop")


def test_two_cancels(target: Service) -> None:
    def check(operation: Operation, *outcomes: Any) -> str:
        assert ended_once(operation).status == Status.CANCELLED
        assert sorted(type(one).__name__ for one in outcomes) == ["NotCancellable", "Operation"], outcomes
        return "one"

    race(ROUNDS, lambda _: asked(target), (cancel, cancel), check)


def test_two_ends(target: Service) -> None:
    def check(held: Operation, first: Any, second: Any) -> str:
        row = ended_once(held)
        losers = [isinstance(outcome, LeaseLost) for outcome in (first, second)]
        assert losers.count(True) == 1, (first, second)
        assert row.status == (Status.TIMEOUT if losers[0] else Status.SUCCESS)
        return row.status

    def time_out(held: Operation) -> None:
        lifecycle.finish(Operation.objects.get(pk=held.pk), Status.TIMEOUT, "timeout", "Too long.")

    words = race(ROUNDS, lambda _: begun(target), (finish, time_out), check)
    both_ways(words, Status.SUCCESS, Status.TIMEOUT)


@pytest.mark.parametrize(
    ("other", "code"),
    [
        (reap, "lease-lost"),
        (lambda _: lifecycle.fail_abandoned(QUEUE, "w2"), "lease-lost"),
    ],
)
def test_the_end_of_the_work_and_whoever_takes_it_for_dead(
    target: Service, other: Callable[[Operation], int], code: str
) -> None:
    def check(held: Operation, finished: Any, count: Any) -> str:
        row = ended_once(held)
        if finished is None:
            assert (row.status, count) == (Status.SUCCESS, 0)
            return "finished"
        assert isinstance(finished, LeaseLost), finished
        assert (row.status, row.error_code, count) == (Status.FAILED, code, 1)
        return "lost"

    words = race(ROUNDS, lambda _: begun(target, lease_seconds=-1), (finish, other), check)
    both_ways(words, "finished", "lost")


def test_the_end_of_the_work_and_what_replaces_it(target: Service) -> None:
    def replace(_: Operation) -> Operation:
        return request_operation("service.override", target, target.key, queue=QUEUE, requester=BERTA)

    def check(held: Operation, finished: Any, successor: Any) -> str:
        row = ended_once(held)
        assert isinstance(successor, Operation), successor
        if finished is None:
            assert row.status == Status.SUCCESS
            return "finished"
        assert isinstance(finished, LeaseLost), finished
        assert (row.status, row.error_code) == (Status.CANCELLED, "superseded")
        return "replaced"

    words = race(ROUNDS, lambda _: begun(target), (finish, replace), check)
    both_ways(words, "finished", "replaced")


def test_a_renewal_and_the_reaper(target: Service) -> None:
    def check(held: Operation, renewed: Any, count: Any) -> str:
        row = Operation.objects.get(pk=held.pk)
        if renewed == {held.pk}:
            assert (row.status, count) == (Status.RUNNING, 0)
            assert row.lease_until is not None
            assert row.lease_until > timezone.now()
            return "renewed"
        assert (renewed, count, row.error_code) == (set(), 1, "lease-lost")
        ended_once(held)
        return "lost"

    words = race(
        ROUNDS,
        lambda _: begun(target, lease_seconds=-1),
        (lambda held: lifecycle.renew([held]), reap),
        check,
    )
    both_ways(words, "renewed", "lost")


def test_a_report_and_the_reaper_never_bring_it_back_to_life(target: Service) -> None:
    def check(held: Operation, reported: Any, count: Any) -> str:
        assert (ended_once(held).error_code, count) == ("lease-lost", 1)
        assert reported is None or isinstance(reported, LeaseLost), reported
        return "reported" if reported is None else "lost"

    words = race(
        ROUNDS,
        lambda _: begun(target, lease_seconds=-1),
        (lambda held: lifecycle.report(Operation.objects.get(pk=held.pk), 1, 2, "half"), reap),
        check,
    )
    both_ways(words, "reported", "lost")


def failed(target: Service) -> Operation:
    held = begun(target)
    lifecycle.finish(held, Status.FAILED, "code", "detail")
    return held


def test_two_who_ask_again(target: Service) -> None:
    def check(old: Operation, *outcomes: Any) -> str:
        made = [outcome for outcome in outcomes if isinstance(outcome, Operation)]
        assert len(made) == 1, outcomes
        assert any(isinstance(outcome, TargetBusy) for outcome in outcomes), outcomes
        assert list(Operation.objects.filter(retry_of=old)) == made
        return "one"

    again = lambda old: retry(old, ALICE)  # noqa: E731
    race(ROUNDS, lambda _: failed(target), (again, again), check)


def test_a_purge_and_who_asks_again(target: Service) -> None:
    def check(old: Operation, made: Any, purged: Any) -> str:
        kept = Operation.objects.filter(pk=old.pk).exists()
        assert isinstance(purged, int), purged
        if isinstance(made, OperationGone):
            assert not kept
            assert not Operation.objects.active().exists()
            return "purged"
        assert isinstance(made, Operation), made
        row = Operation.objects.get(pk=made.pk)
        assert row.status == Status.PENDING, "A purge took what waits."
        assert row.retry_of_id == (old.pk if kept else None)
        return "asked again"

    words = race(
        ROUNDS,
        lambda _: failed(target),
        (lambda old: retry(old, ALICE), lambda _: purge(timezone.now() + timedelta(seconds=1))),
        check,
    )
    both_ways(words, "purged", "asked again")
