"""What becomes of a batch: counted end by end, cancelled, asked for again, and forgotten at last."""

from datetime import timedelta
from functools import partial

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from medimgr.events.models import Event
from monitoring.models import Service
from operations import lifecycle
from operations.batch_actions import called, cancel_batch, retry_batch
from operations.batches import forget_old
from operations.exceptions import (
    NotCancellable,
    NotPermitted,
    NotRetryable,
    UnknownBatch,
)
from operations.models import Batch, Operation
from operations.registry import WORKER_QUEUE
from operations.requester import Requester
from operations.states import Status
from tests.operations.asking import ALICE, BERTA, WORK, ask, declare, together
from tests.operations.batch_asking import (
    Size,
    ask_all,
    assert_counts_are_those_of_the_rows,
    claim,
    counts,
    services,
)

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


# --- counting --------------------------------------------------------------------------------------------


def test_every_end_is_counted_and_the_last_one_ends_the_batch() -> None:
    batch = ask_all(services("a", "b", "c", "d")).batch
    held = claim()
    lifecycle.finish(held["a"], Status.SUCCESS)
    lifecycle.finish(held["b"], Status.FAILED, "broken", "It broke.")
    lifecycle.finish(held["c"], Status.TIMEOUT, "timeout", "Too slow.")
    assert counts(batch) == (4, 1, 2, 0, 0)
    assert called(batch.pk, None).finished_at is None
    lifecycle.finish(held["d"], Status.CANCELLED, "cancelled", "Cancelled.")
    assert counts(batch) == (4, 1, 2, 1, 0)
    assert called(batch.pk, None).finished_at is not None
    assert_counts_are_those_of_the_rows(batch)


def test_what_the_reaper_ends_is_counted() -> None:
    batch = ask_all(services("a", "b")).batch
    claim(1)
    lifecycle.reap(timezone.now() + timedelta(hours=1))
    assert counts(batch) == (2, 0, 2, 0, 0)


def test_what_a_dead_holder_left_is_counted() -> None:
    batch = ask_all(services("a", "b")).batch
    claim()
    lifecycle.fail_abandoned(WORKER_QUEUE, "somebody else")
    assert counts(batch) == (2, 0, 2, 0, 0)


def test_each_end_is_told_with_how_far_the_batch_is() -> None:
    batch = ask_all(services("a", "b")).batch
    held = claim()
    lifecycle.finish(held["a"], Status.SUCCESS)
    lifecycle.finish(held["b"], Status.FAILED, "broken", "It broke.")
    told = list(
        Event.objects.filter(topic="batch", key=batch.pk).order_by("id").values_list("data", flat=True)
    )
    assert [(data["done"], data["progress"]) for data in told] == [
        (0, "0/2"),
        (1, "1/2"),
        (2, "2/2, 1 failed"),
    ]
    assert [data["finished_at"] is None for data in told] == [True, True, False]
    assert not any("refused" in data for data in told), "a list of hundreds does not go along with each end"


@pytest.mark.django_db(transaction=True)
def test_ends_at_the_same_moment_are_all_counted() -> None:
    wanted = services(*"abcdefgh")
    for _ in range(5):
        batch = ask_all(wanted).batch
        held = claim()
        outcomes = together(
            *[partial(lifecycle.finish, row, Status.SUCCESS) for row in list(held.values())[:6]],
            partial(cancel_batch, batch, ALICE),
        )
        assert [outcome for outcome in outcomes if isinstance(outcome, Exception)] == []
        for row in list(held.values())[6:]:
            lifecycle.finish(row, Status.CANCELLED)
        assert called(batch.pk, None).finished_at is not None
        assert_counts_are_those_of_the_rows(batch)


# --- cancel ----------------------------------------------------------------------------------------------


def test_a_cancel_ends_what_waits_and_asks_what_runs() -> None:
    batch = ask_all(services("a", "b", "c", "d")).batch
    held = claim(2)
    lifecycle.finish(held["a"], Status.SUCCESS)
    outcome = cancel_batch(batch, BERTA)
    assert (outcome.ended, outcome.asked) == (2, 1)
    assert (batch.succeeded, batch.cancelled, batch.finished_at) == (1, 2, None)
    assert Operation.objects.get(target_key="b").cancel_requested_by == "berta"
    lifecycle.finish(held["b"], Status.SUCCESS)
    assert counts(batch) == (4, 2, 0, 2, 0)
    with pytest.raises(NotCancellable, match=r"4/4, 2 cancelled\."):
        cancel_batch(batch, BERTA)


def test_others_operations_stay_untouched_by_a_cancel() -> None:
    single = ask(key="z")
    cancel_batch(ask_all(services("a")).batch, ALICE)
    assert Operation.objects.get(pk=single.pk).status == Status.PENDING


def test_a_viewer_may_neither_cancel_nor_repeat_a_batch(bob: User) -> None:
    batch = ask_all(services("a")).batch
    who = Requester("bob", "api", bob)
    with pytest.raises(NotPermitted):
        cancel_batch(batch, who)
    with pytest.raises(NotPermitted):
        retry_batch(batch, who)
    assert Operation.objects.get().status == Status.PENDING


# --- ask again -------------------------------------------------------------------------------------------


def half_failed() -> Batch:
    declare(parameters=Size)
    batch = ask_all(services("a", "b", "c", "d"), parameters={"size": 3}, reason="update").batch
    held = claim()
    for key, status in zip("abcd", ("SUCCESS", "FAILED", "TIMEOUT", "CANCELLED"), strict=True):
        lifecycle.finish(held[key], Status(status), "" if status == "SUCCESS" else "because", "Because.")
    return batch


def test_what_failed_is_asked_for_again_as_a_new_batch() -> None:
    batch = half_failed()
    again = retry_batch(batch, BERTA)
    assert again.batch.pk != batch.pk
    assert (again.batch.requester, again.batch.reason, again.batch.total) == ("berta", "update", 2)
    assert [(row.target_key, row.parameters) for row in again.operations] == [
        ("b", {"size": 3}),
        ("c", {"size": 3}),
    ]
    old = {row.target_key: row.pk for row in Operation.objects.filter(batch=batch.pk)}
    assert [row.retry_of_id for row in again.operations] == [old["b"], old["c"]]
    assert counts(batch) == (4, 1, 2, 1, 0), "the old batch stays what it was"


def test_what_was_asked_for_again_already_is_left_out() -> None:
    batch = half_failed()
    retry_batch(batch, ALICE)
    with pytest.raises(NotRetryable, match="not asked for again"):
        retry_batch(batch, ALICE)
    assert Operation.objects.active().count() == 2


def test_a_target_that_is_gone_or_busy_is_refused_in_the_new_batch() -> None:
    batch = half_failed()
    Service.objects.get(key="b").delete()
    ask(key="c")
    again = retry_batch(batch, ALICE)
    assert [(one.target, one.code) for one in again.refused] == [
        ("service:c", "target-busy"),
        ("service:b", "target-gone"),
    ]
    assert again.batch.finished_at is not None


def test_an_unknown_batch_is_said_to_be_unknown() -> None:
    for name in ("nonsense", "a\0b", "x" * 3000):
        with pytest.raises(UnknownBatch):
            called(name, None)


# --- the end of its row ----------------------------------------------------------------------------------


def test_a_batch_goes_with_its_last_operation_and_not_before() -> None:
    batch = half_failed()
    later = timezone.now() + timedelta(seconds=1)
    assert forget_old(later) == 0
    kept = Operation.objects.filter(batch=batch.pk).first()
    assert kept is not None
    Operation.objects.filter(batch=batch.pk).exclude(pk=kept.pk).delete()
    assert forget_old(later) == 0
    kept.delete()
    assert forget_old(batch.created_at) == 0, "it is not older than that"
    assert forget_old(later) == 1
    assert not Batch.objects.exists()


def test_a_batch_whose_request_died_goes_too_but_not_one_that_is_just_being_asked_for() -> None:
    now = timezone.now()
    for name, age in (("dead", timedelta(hours=2)), ("begins", timedelta(seconds=1))):
        Batch.objects.create(
            id=name, kind=WORK, requester="alice", source="api", created_at=now - age, total=3
        )
    assert forget_old(now) == 1
    assert Batch.objects.get().pk == "begins"


def test_where_every_batch_is_under_way_none_is_forgotten() -> None:
    batch = half_failed()
    Batch.objects.filter(pk=batch.pk).update(finished_at=None)
    assert forget_old(timezone.now() + timedelta(seconds=1)) == 0
    assert Batch.objects.get().pk == batch.pk


def test_a_great_many_batches_are_looked_through_in_parts() -> None:
    begin = timezone.now() - timedelta(days=1)
    Batch.objects.bulk_create(
        Batch(
            id=f"b{n:04}",
            kind=WORK,
            requester="alice",
            source="api",
            total=1,
            created_at=begin,
            finished_at=begin,
        )
        for n in range(1203)
    )
    kept = ask(key="a")
    Operation.objects.filter(pk=kept.pk).update(batch="b0600")
    assert forget_old(timezone.now()) == 1202
    assert Batch.objects.get().pk == "b0600"
