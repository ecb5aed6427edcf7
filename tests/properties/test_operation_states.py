"""Whatever is asked, claimed, cancelled, lost and ended in whatever order: each operation ends once.

A model in plain Python foretells every outcome; the database has to agree after every step.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from medimgr.events.models import Event
from monitoring.handlers import RESTART, START, STOP
from monitoring.models import Service
from operations import lifecycle, registry
from operations.exceptions import LeaseLost, NotCancellable, NotRetryable, TargetBusy
from operations.intake import request_operation, retry
from operations.models import Operation
from operations.purge import purge
from operations.requester import Requester
from operations.states import ACTIVE, FINISHED, Status
from tests.factories import make_service

QUEUE = "node:alpha"
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
ALLOWED = timedelta(seconds=300)
LEASE = timedelta(seconds=30)
TARGETS = ("a", "b", "c")
OWNERS = ("w1", "w2")
ALICE = Requester("alice", "api")


@dataclass
class Expected:
    """What the model says of one operation."""

    pk: int
    kind: str
    target: str
    status: Status
    deadline: datetime
    lease: datetime | None = None
    owner: str = ""
    code: str = ""
    cancel_requested: bool = False
    finished: datetime | None = None

    def end(self, now: datetime, status: Status, code: str = "") -> None:
        self.status, self.code, self.finished, self.lease = status, code, now, None


class Operations(RuleBasedStateMachine):
    """Random life of the operations table."""

    services: dict[str, Service]

    def __init__(self) -> None:
        super().__init__()
        self.traveller = time_machine.travel(BEGIN, tick=False)
        self.clock = self.traveller.start()
        self.now = BEGIN
        self.expected: dict[int, Expected] = {}
        self.held: list[Operation] = []
        """What claimers have in hand, the stale among it."""
        self.ended: dict[int, dict[str, Any]] = {}
        """The rows as they were when they ended."""

    def teardown(self) -> None:
        self.traveller.stop()
        Operation.objects.all().delete()
        Event.objects.all().delete()

    def active_on(self, target: str) -> Expected | None:
        return next((e for e in self.expected.values() if e.target == target and e.status in ACTIVE), None)

    def foretell_request(self, kind: str, target: str) -> bool:
        """Return whether the request is accepted; apply what it does to the one in its way."""
        old = self.active_on(target)
        if old is None:
            return True
        if not registry.get(kind).replaces(old.kind, old.status):
            return False
        old.end(self.now, Status.CANCELLED, "superseded")
        return True

    def remember(self, operation: Operation) -> None:
        assert operation.pk not in self.expected
        self.expected[operation.pk] = Expected(
            operation.pk, operation.kind, operation.target_key, Status.PENDING, self.now + ALLOWED
        )

    @rule(kind=st.sampled_from([START, STOP, RESTART]), on=st.sampled_from(TARGETS), force=st.booleans())
    def ask(self, kind: str, on: str, force: bool) -> None:
        force = force and kind == STOP
        accepted = self.foretell_request(kind, on)
        try:
            made = request_operation(
                kind,
                self.services[on],
                on,
                queue=QUEUE,
                requester=ALICE,
                parameters={"force": True} if force else {},
            )
        except TargetBusy:
            assert not accepted
        else:
            assert accepted
            self.remember(made)

    @rule(owner=st.sampled_from(OWNERS), limit=st.integers(1, 3))
    def claim(self, owner: str, limit: int) -> None:
        waiting = [e for e in self.expected.values() if e.status == Status.PENDING and e.deadline > self.now]
        taken = sorted(waiting, key=lambda e: e.pk)[:limit]
        claimed = lifecycle.claim(QUEUE, owner, limit=limit, lease_seconds=LEASE.total_seconds())
        assert [operation.pk for operation in claimed] == [e.pk for e in taken]
        for e in taken:
            e.status, e.owner = Status.RUNNING, owner
            e.lease, e.deadline = self.now + LEASE, self.now + ALLOWED
        self.held += claimed

    @precondition(lambda self: self.held)
    @rule(place=st.integers(0, 50), status=st.sampled_from(sorted(FINISHED)))
    def finish(self, place: int, status: Status) -> None:
        operation = self.held[place % len(self.held)]
        e = self.expected.get(operation.pk)
        try:
            lifecycle.finish(operation, status, "code", "detail")
        except LeaseLost:
            assert e is None or e.status != Status.RUNNING
        else:
            assert e is not None
            assert e.status == Status.RUNNING
            e.end(self.now, status, "code")

    @precondition(lambda self: self.held)
    @rule(place=st.integers(0, 50), done=st.integers(0, 20))
    def report(self, place: int, done: int) -> None:
        operation = self.held[place % len(self.held)]
        e = self.expected.get(operation.pk)
        try:
            lifecycle.report(operation, done, 20, "chunk")
        except LeaseLost:
            assert e is None or e.status != Status.RUNNING
        else:
            assert e is not None
            assert e.status == Status.RUNNING

    @precondition(lambda self: self.held)
    @rule()
    def renew(self) -> None:
        still = {e.pk for e in self.expected.values() if e.status == Status.RUNNING}
        assert lifecycle.renew(self.held, LEASE.total_seconds()) == still
        for pk in still:
            self.expected[pk].lease = self.now + LEASE

    @precondition(lambda self: self.expected)
    @rule(place=st.integers(0, 50))
    def cancel(self, place: int) -> None:
        e = list(self.expected.values())[place % len(self.expected)]
        try:
            row = lifecycle.request_cancel(Operation(pk=e.pk), ALICE)
        except NotCancellable:
            assert e.status in FINISHED
            return
        assert e.status in ACTIVE
        e.cancel_requested = True
        if e.status == Status.PENDING:
            e.end(self.now, Status.CANCELLED, "cancelled")
        assert row.status == e.status

    @precondition(lambda self: self.expected)
    @rule(place=st.integers(0, 50))
    def ask_again(self, place: int) -> None:
        e = replace(list(self.expected.values())[place % len(self.expected)])
        if e.status not in (Status.FAILED, Status.CANCELLED, Status.TIMEOUT):
            with pytest.raises(NotRetryable):
                retry(Operation(pk=e.pk), ALICE)
            return
        accepted = self.foretell_request(e.kind, e.target)
        try:
            made = retry(Operation(pk=e.pk), ALICE)
        except TargetBusy:
            assert not accepted
        else:
            assert accepted
            # It goes to where the service is now, which nobody serves here: it can only wait.
            Operation.objects.filter(pk=made.pk).update(queue=QUEUE)
            self.remember(made)

    @rule(seconds=st.sampled_from([1, 10, 29, 31, 120, 301]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        self.clock.move_to(self.now)

    @rule()
    def reap(self) -> None:
        count = 0
        for e in self.expected.values():
            if e.status == Status.RUNNING and e.lease is not None and e.lease < self.now:
                e.end(self.now, Status.FAILED, "lease-lost")
                count += 1
            elif e.status in ACTIVE and e.deadline < self.now:
                e.end(self.now, Status.TIMEOUT, "timeout")
                count += 1
        assert lifecycle.reap(self.now) == count

    @rule(owner=st.sampled_from(OWNERS))
    def supervisor_starts(self, owner: str) -> None:
        lost = [e for e in self.expected.values() if e.status == Status.RUNNING and e.owner != owner]
        for e in lost:
            e.end(self.now, Status.FAILED, "lease-lost")
        assert lifecycle.fail_abandoned(QUEUE, owner) == len(lost)

    @rule()
    def purge_old(self) -> None:
        before = self.now - timedelta(seconds=60)
        gone = [e.pk for e in self.expected.values() if e.finished is not None and e.finished < before]
        assert purge(before, batch_size=2) == len(gone)
        for pk in gone:
            del self.expected[pk]
            self.ended.pop(pk, None)

    @invariant()
    def the_database_agrees(self) -> None:
        rows = {row.pk: row for row in Operation.objects.all()}
        assert rows.keys() == self.expected.keys()
        for pk, e in self.expected.items():
            row = rows[pk]
            assert (row.status, row.error_code) == (e.status, e.code), e
            assert (row.lease_until, row.deadline_at) == (e.lease, e.deadline), e
            assert (row.cancel_requested_at is not None) == e.cancel_requested, e
            assert row.finished_at == e.finished, e
            assert row.lease_token <= 1, "It was begun twice."

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


@pytest.fixture
def three_services(db: None) -> Iterator[None]:
    Operations.services = {key: make_service(key) for key in TARGETS}
    yield
    del Operations.services


@pytest.mark.both_databases
@pytest.mark.usefixtures("three_services")
def test_every_operation_ends_once_and_says_how() -> None:
    run_state_machine_as_test(
        Operations,
        settings=settings(
            max_examples=30,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
