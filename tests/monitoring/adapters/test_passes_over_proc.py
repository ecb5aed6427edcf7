"""A pass over /proc leaves out what cannot have changed, and still misses nobody who comes, goes or works."""

import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from monitoring.supervisor.identity import find_stat
from monitoring.supervisor.proc_passes import RESTING_PASSES, ProcPasses
from monitoring.supervisor.proctable import ProcTable
from tests.monitoring.adapters.conftest import Spawner
from tests.running import wait_for


@pytest.fixture
def passes() -> Iterator[ProcPasses]:
    made = ProcPasses()
    yield made
    made.close()


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def rest(passes: ProcPasses, keep_open: int = 10_000) -> None:
    """Let everything that sleeps be known to rest, and the files of that be opened and known again."""
    for _ in range(2 * RESTING_PASSES + 4):
        passes.read(keep_open)


def test_a_table_is_that_of_an_ordinary_pass(spawner: Spawner, passes: ProcPasses) -> None:
    sleepers = {spawner.spawn("/bin/sleep", "60").identity.pid for _ in range(5)}
    rest(passes)
    wait_for(lambda: {ProcTable.read()[pid].state for pid in sleepers} == {"S"}, 5, "they sleep")
    table, plain = passes.read(100), ProcTable.read()
    for pid in sleepers:
        assert table[pid]._replace(cpu_ticks=0, rss_bytes=0) == plain[pid]._replace(cpu_ticks=0, rss_bytes=0)
    for pid in (os.getpid(), os.getppid()):  # which may be at work at the one moment and not at the other
        ours, theirs = (one[pid]._replace(cpu_ticks=0, rss_bytes=0, state="S") for one in (table, plain))
        assert ours == theirs
    assert {pid for pid, entry in table.items() if entry.ppid == 2} == set(), "a kernel thread"


def test_a_process_that_sleeps_has_the_very_same_entry_at_the_next_pass(
    spawner: Spawner, passes: ProcPasses
) -> None:
    sleeper = spawner.spawn("/bin/sleep", "60").identity.pid
    wait_for(lambda: passes.read(0)[sleeper].state == "S", 5, "it sleeps")
    first = passes.read(0)[sleeper]
    assert passes.read(0)[sleeper] is first
    assert sleeper not in passes.changed


def test_one_that_rested_and_works_again_is_seen_within_two_passes(
    spawner: Spawner, passes: ProcPasses
) -> None:
    worker = spawner.shell("read line; while :; do :; done").identity.pid
    rest(passes)
    before = passes.read(10_000)[worker]
    os.kill(worker, signal.SIGSTOP)  # its state is another one at once, whatever the clock says
    wait_for(lambda: (entry := find_stat(worker)) and entry.state == "T", 5, "it is stopped")
    seen = set()
    for _ in range(2):
        if passes.read(10_000)[worker] is not before:
            seen |= passes.changed
    assert worker in seen


def test_who_ends_is_gone_and_his_file_is_closed(spawner: Spawner, passes: ProcPasses) -> None:
    child = subprocess.Popen(["/bin/sleep", "60"])
    rest(passes)
    kept = open_files()
    child.kill()
    child.wait()
    assert child.pid not in passes.read(10_000)
    assert not passes.same_family
    assert open_files() < kept


def test_a_newcomer_is_in_the_next_pass(spawner: Spawner, passes: ProcPasses) -> None:
    rest(passes)
    newcomer = spawner.spawn("/bin/sleep", "60").identity.pid
    assert newcomer in passes.read(10_000)
    assert not passes.same_family
    assert newcomer in passes.changed


def test_no_more_files_are_kept_open_than_asked_for(spawner: Spawner, passes: ProcPasses) -> None:
    for _ in range(8):
        spawner.spawn("/bin/sleep", "60")
    before = open_files()
    rest(passes, keep_open=3)
    assert open_files() == before + 3
    passes.close()
    assert open_files() == before


def test_the_next_owner_of_a_pid_is_not_taken_for_the_one_before(passes: ProcPasses) -> None:
    """A pid cannot be ordered here, so its file is swapped for one of a process that has ended."""
    gone, other = subprocess.Popen(["/bin/sleep", "60"]), subprocess.Popen(["/bin/sleep", "60"])
    try:
        rest(passes)
        theirs, ours = passes._known[gone.pid].fd, passes._known[other.pid].fd
        assert theirs >= 0
        assert ours >= 0
        gone.kill()
        gone.wait()
        os.dup2(theirs, ours)  # the file of the dead stands for the pid of the living
        for _ in range(2):
            table = passes.read(10_000)
        assert table[other.pid].start_ticks == (find_stat(other.pid) or pytest.fail("it lives")).start_ticks
        assert gone.pid not in table
    finally:
        for process in (gone, other):
            process.kill()
            process.wait()
