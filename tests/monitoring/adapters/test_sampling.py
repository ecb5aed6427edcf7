"""CPU and memory are those of a service's whole tree, however deep and short-lived its processes."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.supervisor.identity import Identity, ProcEntry, boot_id
from monitoring.supervisor.process import Process
from monitoring.supervisor.proctable import ProcTable
from monitoring.supervisor.sampler import Sampler, Usage
from tests.monitoring.adapters.conftest import Spawner, exit_of
from tests.running import wait_for

TICK = os.sysconf("SC_CLK_TCK")


def sampled(process: Process, seconds: float) -> Usage:
    sampler = Sampler()
    sampler.sample({"it": process.identity})
    time.sleep(seconds)
    return sampler.sample({"it": process.identity})["it"]


def own_cpu_seconds(process: Process) -> float:
    """What the kernel has charged to the run so far, added up by the tests themselves."""
    total = 0
    for entry in ProcTable.read().values():
        if entry.session == process.identity.pid:
            total += entry.cpu_ticks
    return total / TICK


def test_the_first_sample_shows_no_cpu_but_the_memory(spawner: Spawner) -> None:
    process = spawner.program("worker_below.py", "burn")
    spawner.wait_for_line("ready")
    usage = Sampler().sample({"it": process.identity})["it"]
    assert usage.cpu_percent == 0.0
    assert usage.memory_bytes > 1_000_000
    assert usage.processes == 3


def test_a_grandchild_that_keeps_a_core_busy_is_charged_to_the_service(spawner: Spawner) -> None:
    process = spawner.program("worker_below.py", "burn")
    spawner.wait_for_line("ready")
    sampler = Sampler()
    sampler.sample({"it": process.identity})
    before, started = own_cpu_seconds(process), time.monotonic()
    time.sleep(0.5)  # the time over which CPU is measured
    usage = sampler.sample({"it": process.identity})["it"]
    used, elapsed = own_cpu_seconds(process) - before, time.monotonic() - started
    # Other tests may take most of the machine, so what counts is what the kernel says it got.
    assert usage.cpu_percent == pytest.approx(100 * used / elapsed, abs=8)
    assert usage.cpu_percent > 5


def test_memory_of_a_grandchild_is_charged_to_the_service(spawner: Spawner) -> None:
    process = spawner.program("worker_below.py", "eat", "60")
    spawner.wait_for_line("ready")
    usage = Sampler().sample({"it": process.identity})["it"]
    assert 60 << 20 <= usage.memory_bytes <= 120 << 20


def test_children_too_short_lived_to_be_seen_are_charged_all_the_same(spawner: Spawner) -> None:
    """A shell that compiles, say: all the work is done by processes that no sample shows."""
    spin = "i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done"
    process = spawner.shell(f"while :; do sh -c '{spin}'; done")
    assert sampled(process, 0.8).cpu_percent > 5


def test_an_idle_service_shows_nothing(spawner: Spawner) -> None:
    assert sampled(spawner.spawn("/bin/sleep", "60"), 0.2).cpu_percent == 0.0


def test_one_that_has_ended_uses_nothing(spawner: Spawner) -> None:
    process = spawner.spawn("/bin/true")
    exit_of(process)
    assert Sampler().sample({"it": process.identity}) == {"it": Usage(0.0, 0, 0)}


def test_a_new_run_begins_at_zero_and_the_gone_are_forgotten(spawner: Spawner) -> None:
    sampler = Sampler()
    first = spawner.program("worker_below.py", "burn")
    spawner.wait_for_line("ready")
    sampler.sample({"it": first.identity})
    second = spawner.program("worker_below.py", "burn")
    time.sleep(0.1)  # so that CPU time would show
    assert sampler.sample({"it": second.identity})["it"].cpu_percent == 0.0
    assert sampler.sample({"it": first.identity})["it"].cpu_percent == 0.0
    assert sampler.sample({}) == {}
    assert not sampler._runs


def test_five_hundred_short_children_cost_little_and_leave_nothing(spawner: Spawner) -> None:
    """Scenario 14."""
    script = "i=0; while [ $i -lt 500 ]; do sleep 60 & i=$((i+1)); done; echo forked; wait"
    process = spawner.shell(script)
    spawner.wait_for_line("forked")
    sampler = Sampler()
    assert sampler.sample({"it": process.identity})["it"].processes == 501
    started = time.process_time()
    sampler.sample({"it": process.identity})
    assert time.process_time() - started < 0.1  # measured: 4 ms
    process.kill_group()
    wait_for(
        lambda: sampler.sample({"it": process.identity})["it"].processes == 0, 10, "all of them are gone"
    )


# --- what the arithmetic makes of tables that are hard to come by ---------------------------------


class Machine:
    """A made-up machine with one service, pid 500, and a clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr("monitoring.supervisor.sampler.time.monotonic", lambda: self.now)
        monkeypatch.setattr("monitoring.supervisor.sampler.os.cpu_count", lambda: 4)
        self.sampler = Sampler()
        self.identity = Identity(500, 100, boot_id(), "run")

    def after(self, seconds: float, rows: Mapping[int, tuple[int, int]], start: int = 100) -> float:
        """Return the CPU percent that a table shows: pid → (own ticks, ticks of collected children)."""
        self.now += seconds
        table = {
            pid: ProcEntry(1, 500, 500, start if pid == 500 else 100, own, children, 0, "S", 1, 0, 0)
            for pid, (own, children) in rows.items()
        }
        return self.sampler.sample({"it": self.identity}, table)["it"].cpu_percent


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def test_who_joins_and_who_leaves_the_family_is_seen_at_once(spawner: Spawner, tmp_path: Path) -> None:
    """Between two samples in which no process came, went or moved, nobody is asked whose it is."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    process = spawner.shell(f"read word < {gate}; setsid sleep 60 & wait")
    stranger = subprocess.Popen(["/bin/sleep", "60"])
    sampler, identities = Sampler(), {"it": process.identity}
    try:
        for _ in range(3):
            assert sampler.sample(identities)["it"].processes == 1
        gate.write_text("go\n")
        wait_for(lambda: sampler.sample(identities)["it"].processes == 2, 5, "its child is counted")
    finally:
        stranger.kill()
        stranger.wait()
    assert sampler.sample(identities)["it"].processes == 2
    child = next(pid for pid, _ in sampler.processes(process.identity.run_id) if pid != process.identity.pid)
    os.kill(child, signal.SIGKILL)
    wait_for(lambda: sampler.sample(identities)["it"].processes == 0, 5, "both of them are gone")
    sampler.close()


@given(
    st.lists(
        st.tuples(st.sampled_from([0.5, 1.0, 1.1, 30.0]), st.sampled_from([0, 0, 0, 1, 70])), max_size=60
    )
)
def test_a_run_that_rests_shows_what_it_would_show_if_nothing_were_spared(
    steps: list[tuple[float, int]],
) -> None:
    """Entries that are the very same from one pass to the next let the sampler skip the arithmetic."""
    now, ticks = 1000.0, 5
    sparing, thorough = Sampler(), Sampler()
    identity = Identity(500, 100, boot_id(), "run")
    entry = ProcEntry(1, 500, 500, 100, ticks, 0, 4096, "S", 1, 0, 0)
    with mock.patch("monitoring.supervisor.sampler.time.monotonic") as clock:
        for seconds, more in steps:
            now += seconds
            clock.return_value = now
            if more:
                ticks += more
                entry = entry._replace(cpu_ticks=ticks)
            seen = sparing.sample({"it": identity}, {500: entry})
            assert seen == thorough.sample({"it": identity}, {500: entry._replace()})
            assert sparing.cpu_seconds("run") == thorough.cpu_seconds("run")


def test_cpu_is_ticks_over_time(machine: Machine) -> None:
    assert machine.after(1, {500: (10 * TICK, 0)}) == 0
    assert machine.after(2, {500: (11 * TICK, 0)}) == 50
    assert machine.after(2, {500: (13 * TICK, 0)}) == 75


def test_a_light_service_shows_fractions_of_a_percent(machine: Machine) -> None:
    """A tick is 10 ms: within one second there is nothing between 0.0 and 1.0 percent."""
    machine.after(1, {500: (0, 0)})
    seen = [machine.after(1, {500: (one_tick_in_five, 0)}) for one_tick_in_five in (0, 0, 0, 0, 1, 1, 1)]
    assert seen == [0, 0, 0, 0, 0.2, 0.2, 0.2]


def test_what_was_used_more_than_five_seconds_ago_no_longer_shows(machine: Machine) -> None:
    machine.after(1, {500: (0, 0)})
    assert machine.after(1, {500: (TICK, 0)}) == 100
    shares = [machine.after(1, {500: (TICK, 0)}) for _ in range(6)]
    assert shares == [50, 33.3, 25, 20, 0, 0]


def test_after_a_pause_the_first_figure_is_that_of_the_pause(machine: Machine) -> None:
    """The supervisor was stopped and went on, say: a window that no sample is in has no other beginning."""
    machine.after(1, {500: (0, 0)})
    machine.after(1, {500: (TICK, 0)})
    assert machine.after(60, {500: (TICK + 30 * TICK, 0)}) == 50
    assert machine.after(1, {500: (TICK + 31 * TICK, 0)}) == 100


def test_a_child_collected_by_its_parent_is_counted_once(machine: Machine) -> None:
    machine.after(1, {500: (0, 0), 501: (50 * TICK, 0)})
    # It used half a second more, then ended; its parent's count grows by all its life.
    assert machine.after(1, {500: (0, 50 * TICK + TICK // 2)}) == 50


def test_a_child_that_no_sample_has_seen_is_counted(machine: Machine) -> None:
    machine.after(1, {500: (0, 0)})
    assert machine.after(1, {500: (0, TICK)}) == 100


def test_a_table_read_while_a_child_is_collected_makes_no_spike(machine: Machine) -> None:
    machine.after(1, {500: (0, 0), 501: (300 * TICK, 0)})
    assert machine.after(1, {500: (0, 0)}) == 0  # its parent was read before, the child after
    assert machine.after(1, {500: (0, 300 * TICK)}) == 0


def test_a_child_that_nobody_of_the_tree_collects_makes_no_negative_number(machine: Machine) -> None:
    machine.after(1, {500: (0, 0), 501: (300 * TICK, 0)})
    assert machine.after(1, {500: (TICK, 0)}) == 100


def test_no_tree_uses_more_than_the_machine_has(machine: Machine) -> None:
    machine.after(1, {500: (0, 0)})
    assert machine.after(0.001, {500: (TICK, 0)}) == 400


def test_two_samples_at_the_same_moment_show_nothing(machine: Machine) -> None:
    machine.after(1, {500: (0, 0)})
    assert machine.after(0, {500: (TICK, 0)}) == 0
