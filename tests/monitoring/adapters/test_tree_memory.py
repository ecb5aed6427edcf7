"""The memory of a tree with what is shared counted once. Real processes. Scenario 29."""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator

import pytest

from monitoring.supervisor.identity import read_stat
from monitoring.supervisor.tree_memory import Pid, shared_counted_once
from tests.monitoring.supervision.ward import program
from tests.running import wait_for

MB = 1024 * 1024


@contextlib.contextmanager
def pool(children: int, shared_mb: int) -> Iterator[tuple["subprocess.Popen[bytes]", list[Pid]]]:
    command = program("preforked_pool", str(children), str(shared_mb))
    leader = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    assert leader.stdout is not None
    try:
        for _ in range(children):
            assert leader.stdout.readline().startswith(b"ready")
        yield leader, [identified(pid) for pid in group(leader.pid)]
    finally:
        os.killpg(leader.pid, signal.SIGKILL)
        leader.wait(5)
        leader.stdout.close()


def group(leader: int) -> list[int]:
    found = [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    return [pid for pid in found if (stat := read_stat(pid)) is not None and stat.pgrp == leader]


def identified(pid: int) -> Pid:
    stat = read_stat(pid)
    assert stat is not None
    return pid, stat.start_ticks


def resident(processes: list[Pid]) -> int:
    return sum(stat.rss_bytes for pid, _ in processes if (stat := read_stat(pid)) is not None)


def test_scenario_29_the_shared_memory_of_a_preforked_pool_counts_once() -> None:
    with pool(children=6, shared_mb=40) as (_, processes):
        assert len(processes) == 7
        assert resident(processes) > 6 * 40 * MB
        assert 40 * MB <= shared_counted_once(processes) < 90 * MB


def test_scenario_29_processes_that_end_while_they_are_looked_at_count_nothing() -> None:
    with pool(children=6, shared_mb=10) as (leader, processes):
        stop = threading.Event()

        def kill_one_after_the_other() -> None:
            for pid, _ in processes[1:]:
                os.kill(pid, signal.SIGKILL)
                stop.wait(0.002)

        killer = threading.Thread(target=kill_one_after_the_other)
        killer.start()
        sizes = [shared_counted_once(processes) for _ in range(40)]
        killer.join()
        assert all(0 < size < 80 * MB for size in sizes)
        # The children are zombies by now, since their parent does not collect them.
        alone = shared_counted_once(processes)
        assert alone == pytest.approx(shared_counted_once([identified(leader.pid)]), rel=0.1)


def test_a_pid_that_belongs_to_another_process_by_now_counts_nothing() -> None:
    pid, start = identified(os.getpid())
    assert shared_counted_once([(pid, start)]) > MB
    assert shared_counted_once([(pid, start - 1)]) == 0


def test_scenario_29_processes_that_are_gone_count_nothing() -> None:
    gone = subprocess.Popen(["sleep", "600"])
    process = identified(gone.pid)
    gone.kill()
    gone.wait(5)
    wait_for(lambda: read_stat(process[0]) is None, 2, "it is gone")
    assert shared_counted_once([process]) == 0
