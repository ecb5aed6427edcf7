"""Copies of a service on real processes: scaling, and restarts that leave enough of them up (scenario 31)."""

import itertools
import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from monitoring.actions import request_actions
from monitoring.models import Service
from monitoring.scaling import scale
from operations.lifecycle import request_cancel
from operations.models import Operation
from tests.monitoring.supervision.ward import TESTER, Ward, program

pytestmark = pytest.mark.both_databases


def ports_in_a_row(count: int) -> int:
    """Return the first of so many free ports in a row."""
    # Below those that the kernel, and other tests, take ports from.
    for first in random.sample(range(11_000, 20_000 - count), 200):
        held = [socket.socket() for _ in range(count)]
        try:
            for number, one in enumerate(held):
                one.bind(("127.0.0.1", first + number))
        except OSError:
            continue
        else:
            return first
        finally:
            for one in held:
                one.close()
    raise AssertionError("There are no free ports in a row.")


class Watcher:
    """Looks, over and over, which of the ports accept a connection."""

    def __init__(self, ports: list[int]) -> None:
        self.ports = ports
        self._seen: dict[int, list[tuple[float, bool]]] = {port: [] for port in ports}
        self._ending = threading.Event()

    @contextmanager
    def watching(self) -> Iterator[None]:
        def watch() -> None:
            while not self._ending.is_set():
                for port, seen in self._seen.items():
                    seen.append((time.monotonic(), _accepts(port)))
                time.sleep(0.003)

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            self._ending.set()
            thread.join()

    def fewest(self) -> int:
        """Return how many answered when the fewest did.

        The ports are looked at one after the other, so one counts as away from a look that finds it so to the
        last such look in a row: it cannot have come and gone in between.
        """
        changes: list[tuple[float, int]] = []
        for seen in self._seen.values():
            assert len(seen) > 20, "It has looked too seldom to know."
            for (since, there), (until, still) in itertools.pairwise(seen):
                if not there and not still:
                    changes += [(since, 1), (until, -1)]
        # Of one port, the end of a span and the begin of the next are the same moment: ends go first.
        away = itertools.accumulate(change for _, change in sorted(changes))
        return len(self.ports) - max(away, default=0)


def _accepts(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(1.0)
        return client.connect_ex(("127.0.0.1", port)) == 0


def servers(ward: Ward, key: str, instances: int, **fields: Any) -> list[Service]:
    """Declare copies that listen a moment after their start, and wait until all do."""
    first = ports_in_a_row(instances + 2)
    original = ward.declare(
        key,
        instances=instances,
        ports=[first],
        command=program("late_server", "{port}", "0.15"),
        health_kind="http",
        health_url="http://127.0.0.1:{port}/",
        health_interval_seconds=0.1,
        start_timeout_seconds=20.0,
        **fields,
    )
    return all_ready(ward, original)


def all_ready(ward: Ward, original: Service) -> list[Service]:
    copies = [original, *original.copies.order_by("instance")]
    for copy in copies:
        ward.reaches(copy, "RUNNING", health="healthy")
    return copies


def pids(ward: Ward, copies: list[Service]) -> list[int | None]:
    return [ward.status(copy).pid for copy in copies]


def roll(copies: list[Service]) -> list[Operation]:
    asked = request_actions(copies, "restart", TESTER, rolling=True)
    assert asked.refused == []
    return asked.operations


def test_scaling_3_5_2_keeps_the_pids_of_those_that_stay(shared_ward: Ward) -> None:
    three = servers(shared_ward, "scaled", 3)
    before = pids(shared_ward, three)
    scale("scaled", 5)
    five = all_ready(shared_ward, three[0])
    assert pids(shared_ward, five)[:3] == before
    assert len(set(pids(shared_ward, five))) == len(five) == 5
    scale("scaled", 2)
    gone = five[2:]
    shared_ward.wait(lambda: not any(shared_ward.processes(copy) for copy in gone), "the others have ended")
    two = all_ready(shared_ward, three[0])
    assert pids(shared_ward, two) == before[:2]
    assert [len(shared_ward.runs(copy)) for copy in two] == [1, 1]
    assert not any(shared_ward.status(copy).needs_restart for copy in two)


def test_copies_of_a_stopped_service_wait_to_be_started(shared_ward: Ward) -> None:
    original = shared_ward.declare(autostart=False)
    scale(original.key, 2)
    copy = original.copies.get()
    shared_ward.act(original, "start")
    assert shared_ward.status(copy).state == "STOPPED"
    assert shared_ward.act(copy, "start").status == "SUCCESS"


def test_a_rolling_restart_takes_one_copy_after_the_other(shared_ward: Ward) -> None:
    copies = servers(shared_ward, "rolled", 3)
    before = pids(shared_ward, copies)
    watcher = Watcher([copy.ports[0] for copy in copies])
    with watcher.watching():
        operations = [shared_ward.ended(operation, 30) for operation in roll(copies)]
    assert [operation.status for operation in operations] == ["SUCCESS"] * 3
    assert not set(pids(shared_ward, copies)) & set(before)
    assert watcher.fewest() == 2
    starts = [shared_ward.runs(copy)[-1].started_at for copy in copies]
    assert starts == sorted(starts)


def test_a_roll_never_goes_below_the_minimum_and_uses_what_it_allows(shared_ward: Ward) -> None:
    copies = servers(shared_ward, "minimum", 5, min_ready=3)
    watcher = Watcher([copy.ports[0] for copy in copies])
    with watcher.watching():
        operations = [shared_ward.ended(operation, 30) for operation in roll(copies)]
    assert [operation.status for operation in operations] == ["SUCCESS"] * 5
    # Beside the one that is replaced three have to be ready: of five, two may be away at a time.
    assert watcher.fewest() == 3


def test_a_copy_that_does_not_become_ready_halts_the_roll(shared_ward: Ward) -> None:
    copies = servers(shared_ward, "halted", 4, restart_policy="never")
    before = pids(shared_ward, copies)
    Service.objects.filter(pk=copies[1].pk).update(command=["sh", "-c", "echo no room; exit 9"])
    copies[1].refresh_from_db()
    copies[1].store()
    shared_ward.reaches(copies[1], "RUNNING", needs_restart=True)
    first, second, third, fourth = (shared_ward.ended(operation, 30) for operation in roll(copies))
    assert first.status == "SUCCESS"
    assert (second.status, second.error_code) == ("FAILED", "crash")
    for left in (third, fourth):
        assert (left.status, left.error_code) == ("FAILED", "roll-halted")
        assert left.error_detail == (
            "The roll was halted, and this one was left as it is. Halted 2: Exited with code 9."
        )
    assert pids(shared_ward, copies)[2:] == before[2:]
    assert all(shared_ward.status(copy).state == "RUNNING" for copy in copies[2:])


def test_those_that_wait_say_for_whom_and_a_cancelled_roll_ends_after_the_one_under_way(
    shared_ward: Ward,
) -> None:
    copies = [
        shared_ward.declare(f"queue-{n}", name=f"Queue {n}", group="queue", start_seconds=1.0)
        for n in (1, 2, 3)
    ]
    for copy in copies:
        shared_ward.reaches(copy, "RUNNING")
    before = pids(shared_ward, copies)
    first, second, third = roll(copies)

    def said(operation: Operation) -> str:
        return Operation.objects.get(pk=operation.pk).progress_message

    shared_ward.wait(
        lambda: said(third) == "waiting for its turn: Queue 1 is being restarted", "the last says so"
    )
    request_cancel(Operation.objects.get(pk=first.pk), TESTER)
    assert shared_ward.ended(first).status == "SUCCESS"
    for operation in (second, third):
        ended = shared_ward.ended(operation)
        assert (ended.status, ended.error_code) == ("CANCELLED", "cancelled")
    assert pids(shared_ward, copies)[1:] == before[1:]
    assert pids(shared_ward, copies)[0] != before[0]


def test_a_minimum_that_cannot_be_kept_is_told_at_once(shared_ward: Ward) -> None:
    one, other = (shared_ward.declare(f"pair-{n}", group="pair", min_ready=1) for n in (1, 2))
    shared_ward.reaches(one, "RUNNING")
    shared_ward.reaches(other, "RUNNING")
    shared_ward.act(other, "stop")
    pid = shared_ward.status(one).pid
    [operation] = roll([one])
    ended = shared_ward.ended(operation)
    assert (ended.status, ended.error_code) == ("FAILED", "min-ready")
    assert ended.error_detail == (
        "It was not restarted: 1 other of its group has to be ready, and none is wanted up."
    )
    assert shared_ward.status(one).pid == pid


def test_a_roll_goes_from_what_is_needed_to_what_needs_it(shared_ward: Ward) -> None:
    """Scenario 6: each is restarted by itself, and the order of dependencies holds."""
    backend = shared_ward.declare(group="cascade")
    middle = shared_ward.declare(group="cascade", needs=(backend,))
    frontend = shared_ward.declare(group="cascade", needs=(middle,))
    shared_ward.reaches(frontend, "RUNNING")
    operations = [shared_ward.ended(operation, 30) for operation in roll([frontend, middle, backend])]
    assert [operation.status for operation in operations] == ["SUCCESS"] * 3
    runs = [shared_ward.runs(service) for service in (backend, middle, frontend)]
    assert [len(of_one) for of_one in runs] == [2, 2, 2]
    ends = [of_one[0].ended_at for of_one in runs]
    assert ends == sorted(ends)  # type: ignore[type-var]


def test_somebody_who_stops_one_that_waits_takes_it_out_of_the_roll(shared_ward: Ward) -> None:
    copies = [shared_ward.declare(f"taken-{n}", group="taken", start_seconds=0.5) for n in (1, 2, 3)]
    for copy in copies:
        shared_ward.reaches(copy, "RUNNING")
    first, second, third = roll(copies)
    assert shared_ward.act(copies[1], "stop").status == "SUCCESS"
    assert shared_ward.ended(second).error_code == "superseded"
    assert (shared_ward.ended(first).status, shared_ward.ended(third).status) == ("SUCCESS", "SUCCESS")
    assert shared_ward.status(copies[1]).state == "STOPPED"
