"""A cancel ends what waits at once, asks what runs, and never rewrites what has ended."""

import pytest
from django.contrib.auth.models import User

from medimgr.events.models import Event
from operations import lifecycle
from operations.exceptions import NotCancellable, NotPermitted, OperationGone
from operations.models import Operation
from operations.registry import WORKER_QUEUE
from operations.requester import Requester
from operations.states import Status
from tests.operations.asking import ALICE, BERTA, ask, fresh, together

pytestmark = pytest.mark.both_databases


@pytest.mark.django_db
def test_a_waiting_operation_is_cancelled_at_once() -> None:
    asked = ask()
    row = lifecycle.request_cancel(asked, BERTA)
    assert (row.status, row.error_code) == (Status.CANCELLED, "cancelled")
    assert "berta" in row.error_detail
    assert fresh(asked).public() == row.public() == Event.objects.latest("id").data
    assert lifecycle.claim(WORKER_QUEUE, "w") == []


@pytest.mark.django_db
def test_a_running_operation_is_asked_to_stop() -> None:
    asked = ask()
    lifecycle.claim(WORKER_QUEUE, "w")
    row = lifecycle.request_cancel(asked, BERTA)
    assert (row.status, row.cancel_requested_by) == (Status.RUNNING, "berta")
    assert row.public()["cancel_requested"] is True
    assert lifecycle.standing("w") == {asked.pk: "berta"}
    assert Event.objects.latest("id").data["cancel_requested"] is True


@pytest.mark.django_db
def test_asking_twice_changes_nothing() -> None:
    asked = ask()
    lifecycle.claim(WORKER_QUEUE, "w")
    first = lifecycle.request_cancel(asked, BERTA).cancel_requested_at
    events = Event.objects.count()
    again = lifecycle.request_cancel(asked, ALICE)
    assert (again.cancel_requested_at, again.cancel_requested_by) == (first, "berta")
    assert Event.objects.count() == events


@pytest.mark.django_db
def test_work_that_finished_first_stays_a_success() -> None:
    ask()
    [held] = lifecycle.claim(WORKER_QUEUE, "w")
    lifecycle.request_cancel(fresh(held), BERTA)
    lifecycle.finish(held, Status.SUCCESS)
    assert fresh(held).status == Status.SUCCESS
    assert fresh(held).error_code == ""


@pytest.mark.django_db
def test_what_has_ended_cannot_be_cancelled() -> None:
    ask()
    [held] = lifecycle.claim(WORKER_QUEUE, "w")
    lifecycle.finish(held, Status.FAILED, "no-disk", "The disk is full.")
    with pytest.raises(NotCancellable, match=r"no-disk.*The disk is full"):
        lifecycle.request_cancel(held, BERTA)


@pytest.mark.django_db
def test_what_was_purged_cannot_be_cancelled() -> None:
    asked = ask()
    Operation.objects.all().delete()
    with pytest.raises(OperationGone, match=str(asked.pk)):
        lifecycle.request_cancel(asked, BERTA)


@pytest.mark.django_db
def test_a_viewer_may_not_cancel(alice: User, bob: User) -> None:
    asked = ask()
    with pytest.raises(NotPermitted, match=r"operations\.cancel_operation"):
        lifecycle.request_cancel(asked, Requester("bob", "page", bob))
    assert fresh(asked).status == Status.PENDING
    assert lifecycle.request_cancel(asked, Requester("alice", "page", alice)).status == Status.CANCELLED


@pytest.mark.django_db(transaction=True)
def test_cancel_and_finish_at_the_same_moment_agree_on_the_end() -> None:
    for _ in range(10):
        ask()
        [held] = lifecycle.claim(WORKER_QUEUE, "w")
        stale = fresh(held)
        cancelled, finished = together(
            lambda stale=stale: lifecycle.request_cancel(stale, BERTA),  # type: ignore[misc]
            lambda held=held: lifecycle.finish(held, Status.SUCCESS),  # type: ignore[misc]
        )
        assert finished is None
        assert isinstance(cancelled, Operation | NotCancellable), cancelled
        row = fresh(held)
        assert (row.status, row.error_code) == (Status.SUCCESS, "")
        assert (row.cancel_requested_at is None) == isinstance(cancelled, NotCancellable)


@pytest.mark.django_db(transaction=True)
def test_cancel_and_claim_at_the_same_moment_agree() -> None:
    for _ in range(10):
        asked = ask()
        cancelled, claimed = together(
            lambda asked=asked: lifecycle.request_cancel(asked, BERTA),  # type: ignore[misc]
            lambda: lifecycle.claim(WORKER_QUEUE, "w"),
        )
        assert isinstance(cancelled, Operation), cancelled
        row = fresh(asked)
        if claimed:
            assert (row.status, row.cancel_requested_by) == (Status.RUNNING, "berta")
            lifecycle.finish(claimed[0], Status.CANCELLED)
        else:
            assert row.status == Status.CANCELLED
