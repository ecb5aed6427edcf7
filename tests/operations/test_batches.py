"""One request over many targets: each on its own merits, and the same again under the same key."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from medimgr.events.models import Event
from operations import batch_requests, lifecycle
from operations.batch_actions import cancel_batch
from operations.batch_requests import CUT_OFF, Asked, Refusal
from operations.exceptions import (
    BadParameters,
    KeyReused,
    LeaseLost,
    NotPermitted,
    UnknownKind,
)
from operations.models import Batch, Operation
from operations.requester import Requester
from operations.states import Status
from tests.operations.asking import ALICE, BERTA, WORK, ask, declare, together
from tests.operations.batch_asking import (
    Size,
    ask_all,
    assert_counts_are_those_of_the_rows,
    claim,
    counts,
    many,
    services,
)

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


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
