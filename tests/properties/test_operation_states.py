"""Whatever is asked, claimed, cancelled, lost and ended in whatever order: each operation ends once.

A model in plain Python foretells every outcome; the database has to agree after every step.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from medimgr.events.models import Event
from monitoring.models import Service
from operations import lifecycle, registry
from operations.exceptions import (
    KeyReused,
    LeaseLost,
    NotCancellable,
    NotRetryable,
    ReasonWanted,
    TargetBusy,
)
from operations.intake import request_operation, retry
from operations.models import Batch, Operation
from operations.purge import purge
from operations.registry import WORKER_QUEUE, Kind
from operations.requester import Requester
from operations.states import ACTIVE, FINISHED, Status
from tests.factories import make_service
from tests.operations.planted_faults import FAULTS
from tests.properties.operation_model import LEASE, RETRYABLE, Expected, Model

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
TARGETS = ("a", "b", "c", "d", "e")
OWNERS = ("w1", "w2", "w3")
ALICE = Requester("alice", "api")
BATCHES = ("", "", "batch-1", "batch-2")
PLAIN, SINGLE, NARROW, WIDE, OVERRIDE, REASONED, REPEATABLE = (
    "service.plain",
    "service.single",
    "service.narrow",
    "service.wide",
    "service.override",
    "service.reasoned",
    "service.repeatable",
)
KINDS = (PLAIN, SINGLE, NARROW, WIDE, OVERRIDE, REASONED, REPEATABLE)
LANES = {NARROW: ("machine", 1), WIDE: ("machine", 2)}


def declare_kinds() -> None:
    for kind in (
        Kind(PLAIN, "Plain", Service, "start"),
        Kind(SINGLE, "Single", Service, "start", at_once=1),
        Kind(NARROW, "Narrow", Service, "start", lane=lambda _: LANES[NARROW]),
        Kind(WIDE, "Wide", Service, "start", lane=lambda _: LANES[WIDE]),
        Kind(
            OVERRIDE,
            "Override",
            Service,
            "start",
            supersedes=frozenset({PLAIN, SINGLE, NARROW, REPEATABLE}),
            preempts=frozenset({PLAIN, WIDE, REPEATABLE}),
        ),
        Kind(REASONED, "Reasoned", Service, "start", needs_reason=True),
        Kind(REPEATABLE, "Repeatable", Service, "start", repeatable=2, resumable=True),
    ):
        registry.register(kind)


class Operations(RuleBasedStateMachine):
    """Random life of the operations table."""

    services: dict[str, Service]

    def __init__(self) -> None:
        super().__init__()
        self.traveller = time_machine.travel(BEGIN, tick=False)
        self.clock = self.traveller.start()
        self.model = Model(BEGIN, registry.all_kinds(), LANES)
        self.held: list[Operation] = []
        """What claimers have in hand, the stale among it."""
        self.ended: dict[int, dict[str, Any]] = {}
        """The rows as they were when they ended."""
        for name in set(BATCHES) - {""}:
            Batch.objects.create(
                id=name, kind=PLAIN, requester="alice", source="api", created_at=BEGIN, total=1000
            )

    def teardown(self) -> None:
        self.traveller.stop()
        Operation.objects.all().delete()
        Batch.objects.all().delete()
        Event.objects.all().delete()

    def are(self, *statuses: Status) -> bool:
        """Return whether there are any in one of these."""
        return any(e.status in statuses for e in self.model.rows.values())

    def some(self, place: int) -> Expected:
        return list(self.model.rows.values())[place % len(self.model.rows)]

    def in_hand(self, place: int) -> Operation:
        return self.held[-1 - place % len(self.held)]

    # --- asking ------------------------------------------------------------------------------------
    @initialize(kinds=st.lists(st.sampled_from(KINDS), min_size=len(TARGETS), max_size=len(TARGETS)))
    def begin(self, kinds: list[str]) -> None:
        for kind, target in zip(kinds, TARGETS, strict=True):
            self.ask(kind, target, "because", "", 0, 0, "batch-1")

    @rule(
        kind=st.sampled_from(KINDS),
        on=st.sampled_from(TARGETS),
        reason=st.sampled_from(["because", ""]),
        key=st.sampled_from(["", "", "", "k1", "k2"]),
        priority=st.sampled_from([0, 0, -100, 3, 100]),
        later=st.sampled_from([0, 0, 0, 5, 40]),
        batch=st.sampled_from(BATCHES),
    )
    def ask(self, kind: str, on: str, reason: str, key: str, priority: int, later: int, batch: str) -> None:
        delay = timedelta(seconds=later)
        run_after = self.model.now + delay if later else None
        made_before = self.model.made_by(key)
        same = made_before and self.model.same_request(made_before, kind, on, priority, run_after)
        try:
            made = request_operation(
                kind,
                self.services[on],
                on,
                queue=WORKER_QUEUE,
                requester=ALICE,
                reason=reason,
                idempotency_key=key,
                priority=priority,
                run_after=run_after,
                batch=batch,
            )
        except ReasonWanted:
            assert kind == REASONED
            assert not reason
        except KeyReused:
            assert made_before is not None
            assert not same
        except TargetBusy:
            assert made_before is None
            assert not self.model.accepts(kind, on)
        else:
            assert reason or kind != REASONED
            if made_before is not None:
                assert same
                assert made.pk == made_before.pk
                return
            assert self.model.accepts(kind, on)
            self.model.add(made.pk, kind, on, delay, priority=priority, key=key, batch=batch)

    @precondition(lambda self: self.are(*FINISHED))
    @rule(place=st.integers(0, 50))
    def ask_again(self, place: int) -> None:
        e = self.some(place)
        if e.status not in RETRYABLE:
            with pytest.raises(NotRetryable):
                retry(Operation(pk=e.pk), ALICE)
            return
        accepted = self.model.accepts(e.kind, e.target)
        try:
            made = retry(Operation(pk=e.pk), ALICE)
        except TargetBusy:
            assert not accepted
        else:
            assert accepted
            self.model.add(
                made.pk,
                e.kind,
                e.target,
                attempt=e.attempt + 1,
                retry_of=e.pk,
                priority=e.priority,
                checkpoint=e.checkpoint if e.kind == REPEATABLE else None,
            )

    # --- carrying out ------------------------------------------------------------------------------
    @precondition(lambda self: self.are(Status.PENDING))
    @rule(owner=st.sampled_from(OWNERS), limit=st.integers(1, 4))
    def claim(self, owner: str, limit: int) -> None:
        claimed = lifecycle.claim(WORKER_QUEUE, owner, limit=limit, lease_seconds=LEASE.total_seconds())
        assert [operation.pk for operation in claimed] == self.model.claim(owner, limit)
        self.held += claimed

    @precondition(lambda self: self.held)
    @rule(place=st.integers(0, 50), status=st.sampled_from(sorted(FINISHED)))
    def finish(self, place: int, status: Status) -> None:
        operation = self.in_hand(place)
        e = self.model.running(operation.pk)
        try:
            lifecycle.finish(operation, status, "code", "detail")
        except LeaseLost:
            assert e is None
        else:
            assert e is not None
            self.model.end(e, status, "code")

    @precondition(lambda self: self.held)
    @rule(places=st.lists(st.integers(0, 50), min_size=1, max_size=5))
    def finish_several(self, places: list[int]) -> None:
        several = {operation.pk: operation for operation in map(self.in_hand, places)}
        ends = [lifecycle.End(one, Status.SUCCESS, "", "") for one in several.values()]
        for pk, lost in zip(several, lifecycle.finish_all(ends), strict=True):
            e = self.model.running(pk)
            assert (lost is None) == (e is not None)
            if e is not None:
                self.model.end(e, Status.SUCCESS)

    @precondition(lambda self: self.held)
    @rule(place=st.integers(0, 50), done=st.integers(0, 20))
    def report(self, place: int, done: int) -> None:
        operation = self.in_hand(place)
        e = self.model.running(operation.pk)
        try:
            lifecycle.report(operation, done, 20, "chunk")
        except LeaseLost:
            assert e is None
        else:
            assert e is not None

    @precondition(lambda self: self.held)
    @rule(place=st.integers(0, 50), value=st.integers(0, 20))
    def checkpoint(self, place: int, value: int) -> None:
        operation = self.in_hand(place)
        e = self.model.running(operation.pk)
        try:
            lifecycle.checkpoint(operation, value, value, 20, "chunk")
        except LeaseLost:
            assert e is None
        else:
            assert e is not None
            e.checkpoint = value

    @precondition(lambda self: self.held)
    @rule()
    def renew(self) -> None:
        assert lifecycle.renew(self.held, LEASE.total_seconds()) == self.model.renew()

    @precondition(lambda self: self.model.rows)
    @rule(place=st.integers(0, 50))
    def cancel(self, place: int) -> None:
        e = self.some(place)
        try:
            row = lifecycle.request_cancel(Operation(pk=e.pk), ALICE)
        except NotCancellable:
            assert not self.model.cancel(e)
        else:
            assert self.model.cancel(e)
            assert row.status == e.status

    # --- what nobody asks for ----------------------------------------------------------------------
    @rule(seconds=st.sampled_from([1, 10, 31, 301, -20, -400]))
    def time_passes(self, seconds: int) -> None:
        self.model.now += timedelta(seconds=seconds)
        self.clock.move_to(self.model.now)

    @precondition(lambda self: self.are(*ACTIVE))
    @rule()
    def reap(self) -> None:
        assert lifecycle.reap(self.model.now) == self.model.reap()
        self.find_repetitions()

    @precondition(lambda self: self.are(Status.RUNNING))
    @rule(owner=st.sampled_from(OWNERS))
    def supervisor_starts(self, owner: str) -> None:
        assert lifecycle.fail_abandoned(WORKER_QUEUE, owner) == self.model.fail_abandoned(owner)
        self.find_repetitions()

    def find_repetitions(self) -> None:
        """Tell the model the numbers of operations that were asked for again by themselves."""
        while self.model.lost:
            row = Operation.objects.get(retry_of=self.model.lost[0].pk)
            self.model.repeated(row.pk)

    @precondition(lambda self: self.are(*FINISHED))
    @rule(age=st.sampled_from([0, 60]), keep=st.integers(0, 2))
    def purge_old(self, age: int, keep: int) -> None:
        before = self.model.now - timedelta(seconds=age)
        gone = self.model.purge(before, keep)
        assert purge(before, batch_size=2, keep_per_target=keep) == len(gone)
        for pk in gone:
            self.ended.pop(pk, None)

    # --- what has to hold --------------------------------------------------------------------------
    @invariant()
    def the_database_agrees(self) -> None:
        rows = {row.pk: row for row in Operation.objects.all()}
        assert rows.keys() == self.model.rows.keys()
        for pk, e in self.model.rows.items():
            row = rows[pk]
            assert (row.status, row.error_code) == (e.status, e.code), e
            assert (row.lease_until, row.deadline_at, row.run_after) == (e.lease, e.deadline, e.run_after), e
            assert (row.lease_token, row.attempt, row.retry_of_id) == (e.token, e.attempt, e.retry_of), e
            assert (row.priority, row.batch, row.checkpoint) == (e.priority, e.batch, e.checkpoint), e
            assert (row.lane, row.lane_limit) == e.lane, e
            assert (row.cancel_requested_at is not None) == e.cancel_requested, e
            assert row.finished_at == e.finished, e

        active = [row.target for row in rows.values() if row.status in ACTIVE]
        assert len(active) == len(set(active)), "Two are active on one target."

        for row in rows.values():
            if row.status in FINISHED:
                values = {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}
                del values["retry_of_id"]  # the purge of what it points at takes the pointer away
                assert self.ended.setdefault(row.pk, values) == values, "It changed after its end."

        told = {event.key: event.data for event in Event.objects.filter(topic="operation").order_by("id")}
        for row in rows.values():
            assert told[str(row.pk)] == row.public(), "The last event does not say how it is."

    @invariant()
    def the_batches_add_up(self) -> None:
        for batch in Batch.objects.all():
            ends = Counter({way: n for (pk, way), n in self.model.ends.items() if pk == batch.pk})
            assert batch.succeeded == ends[Status.SUCCESS]
            assert batch.failed == ends[Status.FAILED] + ends[Status.TIMEOUT]
            assert batch.cancelled == ends[Status.CANCELLED]


@pytest.fixture(autouse=True)
def world(db: None) -> Iterator[None]:
    before = registry.all_kinds()
    declare_kinds()
    Operations.services = {key: make_service(key) for key in TARGETS}
    yield
    del Operations.services
    for name in set(registry.all_kinds()) - set(before):
        registry.unregister(name)


def live(examples: int, *, derandomize: bool = False) -> None:
    run_state_machine_as_test(
        Operations,
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            # To find the smallest example takes minutes; whoever has a failure adds Phase.shrink.
            phases=(Phase.generate,),
            database=None,
            derandomize=derandomize,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.both_databases
def test_every_operation_ends_once_and_says_how() -> None:
    live(50)


@pytest.mark.parametrize(
    "fault",
    [
        "end_without_the_token",
        "claim_without_a_limit",
        "cancel_over_the_end",
        "purge_what_is_under_way",
        "repeat_everything",
        "lose_count",
    ],
)
def test_a_fault_would_be_found(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    FAULTS[fault](monkeypatch.setattr)
    with pytest.raises(AssertionError):
        live(300, derandomize=True)
