"""Many emulators at once: as many at a time as their workstation allows, and what changes its list alone."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import pytest
from django.db import connections

from operations.cancelling import cancel_these
from operations.executor import Executor
from operations.models import Batch, Operation
from operations.requester import Requester
from tests.operations.asking import wait_until_ended
from tests.running import wait_for
from tests.workstations.carrying_out import asked, key
from tests.workstations.emulator_worlds import emulator, scanned
from tests.workstations.peer import Instance, Peer
from workstations.actions import chosen_emulators, request_actions
from workstations.handlers import QUEUE
from workstations.models import Emulator

__all__ = ["key"]
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("key"),
    pytest.mark.both_databases,
]
ALICE = Requester("alice", "page")


@contextmanager
def served(threads: int = 16) -> Iterator[None]:
    """Serve the queue of workstations, as an operations worker does."""
    executor = Executor(queue_name=QUEUE, threads=threads)

    def serve() -> None:
        try:
            executor.run()
        finally:
            connections.close_all()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        executor.stop()
        thread.join(15)
        assert not thread.is_alive()


def span(row: Operation) -> tuple[datetime, datetime]:
    """Return when an operation that has ended began and ended."""
    assert row.started_at is not None
    assert row.finished_at is not None
    return row.started_at, row.finished_at


def overlaps(rows: list[Operation], during: Operation | None = None) -> int:
    """Return how many ran at the same time at most, of all or while one of them ran."""
    begins = [span(row)[0] for row in rows]
    if during is not None:
        first, last = span(during)
        begins = [moment for moment in begins if first <= moment < last]
    return max(sum(span(row)[0] <= moment < span(row)[1] for row in rows) for moment in begins)


def test_all_of_a_tag_start_two_at_a_time_and_one_that_cannot_holds_up_nobody(peer: Peer) -> None:
    machine = peer.machine(
        instances=[*(f"farm {number}" for number in range(6)), Instance("hung", android=1, pid=99)],
        in_process=True,
        boot_seconds=0.3,
    )
    scanned(machine, tags=["farm"], concurrency=2)
    batch = request_actions(chosen_emulators(tag="farm"), "start", ALICE).batch
    with served():
        wait_for(lambda: Batch.objects.get(pk=batch.pk).finished_at, 30, "the batch has ended")
    batch.refresh_from_db()
    assert (batch.total, batch.succeeded, batch.failed) == (7, 6, 1)
    rows = list(Operation.objects.filter(batch=batch.pk))
    assert {row.error_code for row in rows} == {"", "emulator-unsafe"}
    assert overlaps(rows) == 2
    assert Emulator.objects.filter(state="running").count() == 6
    assert machine.open_shells == []


def test_what_changes_the_list_goes_alone_and_in_its_turn(peer: Peer) -> None:
    machine = peer.machine(
        instances=["a", "b", "c", "d"], in_process=True, boot_seconds=0.3, copy_seconds=0.5
    )
    workstation = scanned(machine, concurrency=3)
    rows = [
        asked("emulator.start", emulator(workstation, 0)),
        asked("emulator.start", emulator(workstation, 1)),
        asked("emulator.clone", emulator(workstation, 2), title="c 2"),
        asked("workstation.create-emulator", workstation, title="new"),
        asked("emulator.start", emulator(workstation, 3)),
    ]
    with served():
        ended = [wait_until_ended(row, 30) for row in rows]
    assert {row.status for row in ended} == {"SUCCESS"}, [row.error_detail for row in ended]
    alone = [row for row in ended if row.lane_limit == 1]
    assert len(alone) == 2
    for row in alone:
        assert overlaps([row, *(other for other in ended if other.pk != row.pk)], during=row) == 1
    begun = sorted(ended, key=lambda row: (span(row)[0], row.pk))
    assert [row.pk for row in begun] == [row.pk for row in rows], "Nobody overtakes who waits to be alone."
    assert sorted(one.title for one in machine.instances()) == ["a", "b", "c", "c 2", "d", "new"]


def test_a_slow_workstation_holds_up_no_other(peer: Peer) -> None:
    slow = peer.machine("slow", instances=[f"s{n}" for n in range(4)], in_process=True, boot_seconds=60)
    quick = peer.machine("quick", instances=["q"], in_process=True)
    slow_rows = scanned(slow, boot_seconds=60).emulators.all()
    row = emulator(scanned(quick))
    with served(threads=4):
        waiting = [asked("emulator.start", one) for one in slow_rows]
        wait_for(lambda: Operation.objects.filter(status="RUNNING").count() == 2, 10, "the slow one is busy")
        began = time.monotonic()
        assert wait_until_ended(asked("emulator.start", row), 10).status == "SUCCESS"
        assert time.monotonic() - began < 5
        for one in waiting:
            one.refresh_from_db()
        assert {one.status for one in waiting} == {"RUNNING", "PENDING"}
        cancel_these([one.pk for one in waiting], ALICE)
        ended = [wait_until_ended(one, 10) for one in waiting]
    assert {one.status for one in ended} == {"CANCELLED"}
