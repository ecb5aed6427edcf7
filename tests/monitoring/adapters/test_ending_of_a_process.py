"""How a process ended is known at once and exactly, and nothing of its tree is missed or hit by mistake."""

import asyncio
import gc
import os
import signal
import time

import pytest

from monitoring.states import ExitSource
from monitoring.supervisor.identity import read_stat
from monitoring.supervisor.process import Exit, Process
from monitoring.supervisor.proctable import ProcTable, members
from tests.monitoring.adapters.conftest import Spawner, exit_of, gone
from tests.running import wait_for


@pytest.mark.parametrize("code", [0, 3, 255])
def test_an_exit_code_is_known(spawner: Spawner, code: int) -> None:
    end = exit_of(spawner.shell(f"exit {code}"))
    assert end == Exit(code, "", ExitSource.WAIT)
    assert end.describe() == f"exited with code {code}"


@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL", "SIGSEGV", "SIGABRT", "SIGINT", "SIGHUP", "SIGUSR1"])
def test_the_signal_that_ended_it_is_known(spawner: Spawner, name: str) -> None:
    """Scenario 13."""
    process = spawner.shell("ulimit -c 0; exec sleep 60")
    os.kill(process.identity.pid, signal.Signals[name])
    end = exit_of(process)
    assert end == Exit(None, name, ExitSource.WAIT)
    assert end.describe() == f"was killed by {name}"


def test_a_real_time_signal_has_a_name(spawner: Spawner) -> None:
    process = spawner.spawn("/bin/sleep", "60")
    os.kill(process.identity.pid, signal.SIGRTMIN + 3)
    assert exit_of(process).signal == "SIGRTMIN+3"


def test_a_running_process_has_not_ended(spawner: Spawner) -> None:
    process = spawner.spawn("/bin/sleep", "60")
    assert process.poll_exit() is None
    process.reap()  # must not wait for it
    assert process.poll_exit() is None


def test_processes_that_end_at_once_are_all_told(spawner: Spawner) -> None:
    """They end between the spawn and the opening of the pidfd (scenario 13)."""
    processes = [spawner.spawn("/bin/true") for _ in range(50)]
    for process in processes:
        assert exit_of(process) == Exit(0, "", ExitSource.WAIT)
        entry = read_stat(process.identity.pid)
        assert entry is not None
        assert entry.start_ticks == process.identity.start_ticks


def test_the_end_wakes_an_event_loop(spawner: Spawner) -> None:
    async def latency() -> float:
        process = spawner.spawn("/bin/sleep", "60")
        woken = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(process.pidfd, woken.set)
        started = time.monotonic()
        os.kill(process.identity.pid, signal.SIGKILL)
        try:
            await asyncio.wait_for(woken.wait(), 5)
        finally:
            loop.remove_reader(process.pidfd)
        assert process.poll_exit() is not None
        return time.monotonic() - started

    assert asyncio.run(latency()) < 1


def test_the_zombie_stays_until_it_is_reaped(spawner: Spawner) -> None:
    process = spawner.shell("exit 4")
    end = exit_of(process)
    entry = read_stat(process.identity.pid)
    assert entry is not None
    assert entry.state == "Z"
    process.reap()
    assert read_stat(process.identity.pid) is None
    assert process.poll_exit() == end


def test_nobody_else_reaps_it(spawner: Spawner) -> None:
    """subprocess collects forgotten children whenever it starts another one."""
    process = spawner.shell("exit 4")
    exit_of(process)
    gc.collect()
    exit_of(spawner.spawn("/bin/true"))
    assert read_stat(process.identity.pid) is not None
    assert process.poll_exit() == Exit(4, "", ExitSource.WAIT)


def test_a_grandchild_that_keeps_the_output_open_does_not_hide_the_end(spawner: Spawner) -> None:
    """Scenario 10."""
    process = spawner.shell("sleep 60 & echo $!; exit 2")
    assert exit_of(process).code == 2
    assert not gone(spawner.pids(1)[0])


def test_what_ignores_the_stop_signal_is_found_and_killed(spawner: Spawner) -> None:
    process = spawner.program("stubborn.py")
    [child] = spawner.pids(1)
    process.signal("SIGTERM")
    assert exit_of(process).signal == "SIGTERM"
    assert members(ProcTable.read(), process.identity) == {child}
    process.kill_group()
    wait_for(lambda: gone(child), 5, "the child is gone")
    assert members(ProcTable.read(), process.identity) == set()


def test_the_group_can_be_killed_after_its_leader_was_reaped(spawner: Spawner) -> None:
    process = spawner.program("stubborn.py")
    [child] = spawner.pids(1)
    process.signal("SIGTERM")
    exit_of(process)
    process.reap()
    process.kill_group()
    wait_for(lambda: gone(child), 5, "the child is gone")


def test_a_stopped_process_acts_on_the_stop_signal(spawner: Spawner) -> None:
    process = spawner.spawn("/bin/sleep", "60")
    os.kill(process.identity.pid, signal.SIGSTOP)
    wait_for(
        lambda: (entry := read_stat(process.identity.pid)) is not None and entry.state == "T", 5, "stopped"
    )
    process.signal("SIGTERM")
    assert exit_of(process).signal == "SIGTERM"


def test_signalling_what_is_gone_does_nothing(spawner: Spawner) -> None:
    process = spawner.spawn("/bin/true")
    exit_of(process)
    process.signal("SIGTERM")
    process.reap()
    process.signal("SIGTERM")
    process.kill_group()
    process.reap()
    process.close()
    process.close()


def test_a_process_lives_as_long_as_any_of_its_threads(spawner: Spawner) -> None:
    process = spawner.program("leaderless.py")
    pid = process.identity.pid
    wait_for(lambda: (e := read_stat(pid)) is not None and e.state == "Z", 5, "the first thread is over")
    assert process.poll_exit() is None
    assert members(ProcTable.read(), process.identity) == {pid}
    process.signal("SIGTERM")
    assert exit_of(process) == Exit(5, "", ExitSource.WAIT)


def test_older_kernels_are_asked_by_number_and_only_while_the_number_is_ours(
    spawner: Spawner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before Linux 6.9 a pidfd could not mean a group: the kernel answers EINVAL, as to the bad flag here."""
    monkeypatch.setattr("monitoring.supervisor.process._PIDFD_SIGNAL_PROCESS_GROUP", 1 << 20)
    process = spawner.program("stubborn.py")
    [child] = spawner.pids(1)
    process.signal("SIGTERM")
    exit_of(process)
    process.reap()
    process.kill_group()  # the leader's number is no longer known to be ours
    assert not gone(child)
    again = spawner.program("stubborn.py")
    second = spawner.pids(2)[1]
    again.signal("SIGTERM")
    exit_of(again)
    again.kill_group()
    wait_for(lambda: gone(second), 5, "the child is gone")


def test_a_process_keeps_its_pidfd_apart_from_its_predecessor(spawner: Spawner) -> None:
    first = spawner.spawn("/bin/sleep", "60")
    second = spawner.spawn("/bin/sleep", "60")
    first.kill_group()
    exit_of(first)
    first.reap()
    assert second.poll_exit() is None
    assert isinstance(second, Process)
