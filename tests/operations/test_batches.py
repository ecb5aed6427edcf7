"""One request over many targets: each on its own merits, counted, cancelled and repeated as a whole."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pydantic import BaseModel

from medimgr.events.models import Event
from monitoring.models import Service
from operations import batch_requests, lifecycle
from operations.batch_actions import called, cancel_batch, retry_batch
from operations.batch_requests import CUT_OFF, Asked, Refusal, Wanted, request_batch
from operations.batches import forget_old
from operations.exceptions import (
    BadParameters,
    KeyReused,
    LeaseLost,
    NotCancellable,
    NotPermitted,
    NotRetryable,
    UnknownBatch,
    UnknownKind,
)
from operations.models import Batch, Operation
from operations.registry import WORKER_QUEUE
from operations.requester import Requester
from operations.states import Status
from tests.factories import make_node
from tests.operations.asking import ALICE, BERTA, WORK, ask, declare, service, together

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


class Size(BaseModel, extra="forbid"):
    size: int = 1


def services(*keys: str) -> list[Wanted]:
    return [Wanted(key, service(key)) for key in keys]


def many(count: int) -> list[Wanted]:
    node = make_node()
    rows = [Service(key=f"s{n:04}", name=f"S{n}", node=node, command=["true"]) for n in range(count)]
    Service.objects.bulk_create(rows)
    return [Wanted(row.key, row) for row in rows]


def ask_all(wanted: list[Wanted], kind: str = WORK, who: Requester = ALICE, **more: Any) -> Asked:
    return request_batch(kind, wanted, requester=who, **more)


def claim(limit: int = 16) -> dict[str, Operation]:
    return {row.target_key: row for row in lifecycle.claim(WORKER_QUEUE, "me", limit=limit)}


def counts(batch: Batch) -> tuple[int, int, int, int, int]:
    row = Batch.objects.get(pk=batch.pk)
    return row.total, row.succeeded, row.failed, row.cancelled, len(row.refused)


def assert_counts_are_those_of_the_rows(batch: Batch) -> None:
    row = Batch.objects.get(pk=batch.pk)
    statuses = list(Operation.objects.filter(batch=batch.pk).values_list("status", flat=True))
    assert row.succeeded == statuses.count("SUCCESS")
    assert row.failed == statuses.count("FAILED") + statuses.count("TIMEOUT")
    assert row.cancelled == statuses.count("CANCELLED")
    assert row.total == len(statuses) + len(row.refused)
    assert (row.finished_at is not None) == (row.done == row.total)


# --- asking ----------------------------------------------------------------------------------------------


def test_each_target_gets_an_operation_in_the_order_asked_for() -> None:
    asked = ask_all(services("c", "a", "b"), reason="update")
    assert [row.target_key for row in asked.operations] == ["c", "a", "b"]
    assert {(row.batch, row.reason, row.status) for row in asked.operations} == {
        (asked.batch.pk, "update", "PENDING")
    }
    assert counts(asked.batch) == (3, 0, 0, 0, 0)
    assert asked.batch.finished_at is None


def test_a_busy_target_is_refused_and_holds_up_no_other() -> None:
    ask(key="b")
    asked = ask_all(services("a", "b", "c"), refused=[Refusal("service:x", "unknown-service", "No such.")])
    assert [row.target_key for row in asked.operations] == ["a", "c"]
    assert [(one.target, one.code) for one in asked.refused] == [
        ("service:b", "target-busy"),
        ("service:x", "unknown-service"),
    ]
    assert counts(asked.batch) == (4, 0, 0, 0, 2)


def test_what_waits_gives_way_inside_of_a_batch_as_it_does_outside() -> None:
    declare("service.halt", supersedes=frozenset({WORK}))
    first = ask_all(services("a", "b", "c"))
    second = ask_all(services("b", "c", "d"), "service.halt")
    assert {row.target_key for row in second.operations} == {"b", "c", "d"}
    assert second.refused == []
    assert counts(first.batch) == (3, 0, 0, 2, 0)
    ended = Operation.objects.filter(batch=first.batch.pk, status=Status.CANCELLED)
    assert {row.error_code for row in ended} == {"superseded"}


def test_what_gives_way_gives_way_to_a_thousand_in_few_steps_and_each_is_told() -> None:
    declare("service.halt", supersedes=frozenset({WORK}), preempts=frozenset({WORK}))
    wanted = many(150)
    first = ask_all(wanted)
    held = claim(20)
    second = ask_all(wanted, "service.halt")
    assert (len(second.operations), second.refused) == (150, [])
    assert [row.target_key for row in second.operations] == [one.key for one in wanted], "in their order"
    assert counts(first.batch) == (150, 0, 0, 150, 0)
    assert_counts_are_those_of_the_rows(first.batch)
    assert Event.objects.filter(topic="operation", data__status="CANCELLED").count() == 150
    with pytest.raises(LeaseLost):
        lifecycle.finish(held["s0000"], Status.SUCCESS)


def test_a_batch_may_be_urgent_and_for_later() -> None:
    later = timezone.now() + timedelta(hours=2)
    asked = ask_all(services("a", "b"), priority=7, run_after=later, idempotency_key="k")
    assert {(row.priority, row.run_after) for row in asked.operations} == {(7, later)}
    assert claim() == {}
    for more in (
        {"priority": 7},
        {"run_after": later},
        {"priority": 7, "run_after": later + timedelta(hours=1)},
    ):
        with pytest.raises(KeyReused):
            ask_all(services("a", "b"), idempotency_key="k", **more)
    assert ask_all(services("a", "b"), priority=7, run_after=later, idempotency_key="k").batch == asked.batch
    ask_all(services("c"), idempotency_key="at once")
    with pytest.raises(KeyReused):
        ask_all(services("c"), idempotency_key="at once", run_after=later)


def test_a_target_that_is_named_twice_is_asked_once() -> None:
    assert len(ask_all([*services("a"), *services("a")]).operations) == 1


def test_no_target_is_a_batch_that_has_ended() -> None:
    asked = ask_all([])
    assert (asked.batch.total, asked.operations) == (0, [])
    assert asked.batch.finished_at is not None


def test_only_refusals_are_a_batch_that_has_ended() -> None:
    asked = ask_all([], refused=[Refusal("service:x", "unknown-service", "No such.")])
    assert asked.batch.finished_at is not None


@pytest.mark.parametrize(
    ("kind", "more", "problem"),
    [
        ("service.nonsense", {}, UnknownKind),
        (WORK, {"parameters": {"sise": 2}}, BadParameters),
        (WORK, {"reason": "x" * 501}, BadParameters),
        (WORK, {"idempotency_key": "a\0b"}, BadParameters),
    ],
)
def test_what_is_wrong_with_the_whole_request_leaves_no_trace(
    kind: str, more: dict[str, Any], problem: type[Exception]
) -> None:
    declare(parameters=Size)
    for wanted in (services("a", "b"), []):
        with pytest.raises(problem):
            ask_all(wanted, kind, **more)
    assert not Batch.objects.exists()
    assert not Operation.objects.exists()


def test_who_may_not_ask_is_told_so_even_where_there_is_nothing_to_do(bob: User) -> None:
    for wanted in (services("a"), []):
        with pytest.raises(NotPermitted):
            ask_all(wanted, who=Requester("bob", "api", bob))
    assert not Batch.objects.exists()


def test_a_thousand_targets_cost_few_queries() -> None:
    wanted = many(1000)
    with CaptureQueriesContext(connection) as asked:
        batch = ask_all(wanted).batch
    assert counts(batch) == (1000, 0, 0, 0, 0)
    assert Event.objects.filter(topic="operation").count() == 1000
    # On SQLite Django splits an INSERT by the number of its values.
    assert len(asked) < 250


# --- repeating the request -------------------------------------------------------------------------------


def test_the_same_key_returns_the_same_batch() -> None:
    ask(key="b")
    first = ask_all(services("a", "b"), idempotency_key="k")
    again = ask_all(services("a", "b"), idempotency_key="k")
    assert again.batch.pk == first.batch.pk
    assert [row.pk for row in again.operations] == [row.pk for row in first.operations]
    assert again.refused == first.refused, "what was refused stays refused"
    assert ask_all(services("a", "b"), who=BERTA, idempotency_key="k").batch.pk != first.batch.pk


def test_the_same_key_does_nothing_again_where_some_of_it_is_deleted_already() -> None:
    first = ask_all(services("a", "b"), idempotency_key="k")
    for held in claim().values():
        lifecycle.finish(held, Status.SUCCESS)
    Operation.objects.get(target_key="a").delete()
    again = ask_all(services("a", "b"), idempotency_key="k")
    assert again.batch.pk == first.batch.pk
    assert [row.target_key for row in again.operations] == ["b"]
    assert Operation.objects.count() == 1


@pytest.mark.parametrize(
    ("keys", "kind", "more"),
    [
        ("ab", "service.other", {}),
        ("abc", WORK, {}),
        ("ac", WORK, {}),
        ("ab", WORK, {"parameters": {"size": 2}}),
    ],
)
def test_the_same_key_with_another_request_is_refused(keys: str, kind: str, more: dict[str, Any]) -> None:
    declare(parameters=Size)
    declare("service.other", parameters=Size)
    first = ask_all(services("a", "b"), idempotency_key="k")
    with pytest.raises(KeyReused, match=first.batch.pk):
        ask_all(services(*keys), kind, idempotency_key="k", **more)
    assert Operation.objects.count() == 2


def test_a_request_that_was_cut_off_says_so_and_its_repetition_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wanted = many(250)
    real = batch_requests._insert_at_once
    calls: list[int] = []

    def fails_in_the_middle(rows: list[Operation], requester: Requester) -> list[Operation]:
        calls.append(len(rows))
        if len(calls) == 2:
            raise OperationalError("the disk is full")
        return real(rows, requester)

    monkeypatch.setattr(batch_requests, "_insert_at_once", fails_in_the_middle)
    with pytest.raises(OperationalError):
        ask_all(wanted, idempotency_key="k")
    batch = Batch.objects.get()
    assert {one["code"] for one in batch.refused} == {CUT_OFF}
    assert counts(batch) == (250, 0, 0, 0, 200)
    monkeypatch.undo()
    again = ask_all(wanted, idempotency_key="k")
    assert (again.batch.pk, len(again.operations), again.refused) == (batch.pk, 250, [])
    assert again.batch.finished_at is None


@pytest.mark.django_db(transaction=True)
def test_the_same_request_at_the_same_moment_makes_one_operation_for_each_target() -> None:
    wanted = services("a", "b", "c", "d")
    ask(key="d")
    for n in range(8):
        outcomes = together(*[partial(ask_all, wanted, idempotency_key=f"click-{n}")] * 6)
        assert [type(outcome) for outcome in outcomes] == [Asked] * 6, outcomes
        assert len({outcome.batch.pk for outcome in outcomes}) == 1
        batch = outcomes[0].batch
        assert counts(batch) == (4, 0, 0, 0, 1)
        cancel_batch(batch, ALICE)
        assert_counts_are_those_of_the_rows(batch)


@pytest.mark.django_db(transaction=True)
def test_batches_over_the_same_targets_in_any_order_do_not_block_each_other() -> None:
    wanted = many(50)
    for _ in range(6):
        outcomes = together(
            *[partial(ask_all, wanted), partial(ask_all, wanted[::-1])] * 2,
            partial(ask_all, wanted[25:] + wanted[:25]),
            partial(ask, key=wanted[20].key),
        )
        batches = [outcome for outcome in outcomes if isinstance(outcome, Asked)]
        assert len(batches) == 5, outcomes
        assert Operation.objects.active().count() == 50
        for asked in batches:
            assert_counts_are_those_of_the_rows(asked.batch)
        lifecycle.reap(timezone.now() + timedelta(hours=1))


# --- counting --------------------------------------------------------------------------------------------


def test_every_end_is_counted_and_the_last_one_ends_the_batch() -> None:
    batch = ask_all(services("a", "b", "c", "d")).batch
    held = claim()
    lifecycle.finish(held["a"], Status.SUCCESS)
    lifecycle.finish(held["b"], Status.FAILED, "broken", "It broke.")
    lifecycle.finish(held["c"], Status.TIMEOUT, "timeout", "Too slow.")
    assert counts(batch) == (4, 1, 2, 0, 0)
    assert called(batch.pk).finished_at is None
    lifecycle.finish(held["d"], Status.CANCELLED, "cancelled", "Cancelled.")
    assert counts(batch) == (4, 1, 2, 1, 0)
    assert called(batch.pk).finished_at is not None
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
        assert called(batch.pk).finished_at is not None
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
            called(name)


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
