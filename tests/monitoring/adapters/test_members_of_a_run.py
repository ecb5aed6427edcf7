"""Every process of a run is found, however it tried to leave, and no other one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from monitoring.supervisor.identity import (
    Identity,
    ProcEntry,
    boot_id,
    parse_stat,
    read_stat,
    supervisor_mark,
    variable,
)
from monitoring.supervisor.marked import find_marked
from monitoring.supervisor.process import Process
from monitoring.supervisor.proctable import MarkerCache, ProcTable, assign, members
from tests.monitoring.adapters.conftest import Spawner, end, exit_of, gone
from tests.running import wait_for

ROOT = Path(__file__).parents[3]


def entry(ppid: int = 1, pgrp: int = 0, session: int = 0, start: int = 100, state: str = "S") -> ProcEntry:
    return ProcEntry(ppid, pgrp, session, start, 0, 0, 0, state, 1, 0, 0)


def test_children_and_grandchildren_belong_to_it(spawner: Spawner) -> None:
    process = spawner.shell("sleep 60 & (sleep 60 & echo $!; wait) & echo $!; wait")
    pids = spawner.pids(2)
    wait_for(lambda: len(members(ProcTable.read(), process.identity)) == 4, 5, "four processes")
    assert {process.identity.pid, *pids} <= members(ProcTable.read(), process.identity)


@pytest.mark.parametrize("how", ["setsid", "daemon", "bare"])
def test_what_leaves_the_session_or_drops_the_environment_belongs_to_it(spawner: Spawner, how: str) -> None:
    process = spawner.program("escapee.py", how)
    [escaped] = spawner.pids(1)
    assert escaped in members(ProcTable.read(), process.identity)


@pytest.mark.parametrize("how", ["setsid", "daemon"])
def test_what_escaped_is_still_found_when_the_leader_is_gone(spawner: Spawner, how: str) -> None:
    process = spawner.program("escapee.py", how)
    [escaped] = spawner.pids(1)
    process.kill_group()
    exit_of(process)
    assert members(ProcTable.read(), process.identity) == {escaped}
    process.reap()
    assert members(ProcTable.read(), process.identity) == {escaped}


def test_what_was_seen_once_is_known_without_its_parents_and_environment(spawner: Spawner) -> None:
    process = spawner.shell("setsid env -i sleep 60 & echo $!; wait")
    [escaped] = spawner.pids(1)
    wait_for(lambda: _sleeps_without_environment(escaped), 5, "it has left")
    assert _session(escaped) == escaped
    cache = MarkerCache()
    assert escaped in members(ProcTable.read(), process.identity, cache)
    process.kill_group()
    exit_of(process)
    process.reap()
    assert members(ProcTable.read(), process.identity, cache) == {escaped}
    assert members(ProcTable.read(), process.identity) == set()  # nothing else could tell
    end(escaped)
    wait_for(lambda: gone(escaped), 5, "it is gone")
    members(ProcTable.read(), process.identity, cache)


def _sleeps_without_environment(pid: int) -> bool:
    place = Path(f"/proc/{pid}")
    return (place / "comm").read_text() == "sleep\n" and (place / "environ").read_bytes() == b""


def _session(pid: int) -> int:
    found = read_stat(pid)
    return found.session if found else 0


def test_a_zombie_does_not_count(spawner: Spawner) -> None:
    process = spawner.spawn("/bin/true")
    exit_of(process)
    assert process.identity.pid in ProcTable.read()
    assert members(ProcTable.read(), process.identity) == set()


def test_another_services_processes_do_not_count(spawner: Spawner) -> None:
    first, second = spawner.shell("sleep 60 & wait"), spawner.shell("sleep 60 & wait")
    both = {"first": first.identity, "second": second.identity}
    wait_for(lambda: len(ProcTable.read()) and _sizes(both) == (2, 2), 5, "two processes each")
    found = assign(ProcTable.read(), both, MarkerCache())
    assert first.identity.pid in found["first"]
    assert second.identity.pid in found["second"]
    assert not found["first"] & found["second"]


def _sizes(identities: dict[str, Identity]) -> tuple[int, ...]:
    found = assign(ProcTable.read(), identities, MarkerCache())
    return tuple(len(found[key]) for key in identities)


def test_a_run_of_another_boot_has_no_members(spawner: Spawner) -> None:
    live = spawner.spawn("/bin/sleep", "60").identity
    assert members(ProcTable.read(), Identity(live.pid, live.start_ticks, "x", live.run_id)) == set()


def test_a_supervisor_that_a_service_started_does_not_find_itself_or_its_ancestors() -> None:
    """Otherwise stopping that service's old run would end the supervisor."""
    script = (
        "import os\n"
        "from monitoring.supervisor.identity import Identity, boot_id\n"
        "from monitoring.supervisor.marked import find_marked\n"
        "from monitoring.supervisor.proctable import ProcTable, members\n"
        "table = ProcTable.read()\n"
        "found = find_marked(table, 'n', '/d').runs\n"
        "print(members(table, Identity(1 << 22, 1, boot_id(), 'old')), 'old' in found)\n"
    )
    shell = ["/bin/sh", "-c", '"$@"; exit $?', "sh", sys.executable, "-c", script]
    done = subprocess.run(
        shell,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "MEDIMGR_RUN_ID": "old",
            "MEDIMGR_SUPERVISED_BY": supervisor_mark("n", "/d"),
        },
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
        start_new_session=True,
    )
    assert done.stdout == "set() False\n"


def test_a_run_whose_pid_was_never_written_down_is_found_by_its_marker(spawner: Spawner) -> None:
    process = spawner.program("escapee.py", "setsid")
    spawner.pids(1)
    data_dir = str(settings.MEDIMGR_DATA_DIR)
    found = find_marked(ProcTable.read(), "testnode", data_dir).runs[process.identity.run_id]
    assert (found.pid, found.start_ticks) == (process.identity.pid, process.identity.start_ticks)
    assert found.service == "it"
    assert find_marked(ProcTable.read(), "testnode", data_dir + "/other").runs == {}
    assert find_marked(ProcTable.read(), "othernode", data_dir).runs == {}
    adopted = Process.adopt(found)
    assert adopted is not None
    adopted.close()


def test_a_reused_number_of_a_session_means_nothing() -> None:
    table = {500: entry(session=500, pgrp=500, start=900), 501: entry(ppid=500, session=500, pgrp=500)}
    assert members(table, Identity(500, 100, boot_id(), "run")) == set()


def test_a_session_whose_leader_is_gone_needs_another_witness() -> None:
    table = {501: entry(session=500, pgrp=500)}
    identity = Identity(500, 100, boot_id(), "run")
    assert members(table, identity) == set()
    assert members(table, identity, MarkerCache({(501, 100): "run"})) == {501}


def test_a_table_with_a_circle_ends() -> None:
    """Read while pids are reused, a table may show one."""
    table = {2**22 + 1: entry(ppid=2**22 + 2), 2**22 + 2: entry(ppid=2**22 + 1)}
    assert members(table, Identity(500, 100, boot_id(), "run")) == set()


def test_the_cache_forgets_what_is_gone() -> None:
    cache = MarkerCache({(1, 5): "a", (2, 5): "b", (3, 5): "c"})
    cache.forget_gone({1: entry(start=5), 2: entry(start=6)})
    assert cache == {(1, 5): "a"}


# --- /proc/<pid>/stat ----------------------------------------------------------------------------


@given(
    name=st.binary(max_size=40).filter(lambda name: b"\0" not in name)
    | st.sampled_from([b"a) R 1 (b", b") Z 1 1 1", b"((", b"x\n1 (y) S", b""]),
    state=st.sampled_from("RSDZTtXxKWPI"),
    numbers=st.lists(st.integers(0, 2**62), min_size=49, max_size=49),
)
def test_a_name_cannot_pretend_to_be_numbers(name: bytes, state: str, numbers: list[int]) -> None:
    line = b"4711 (%s) %s %s\n" % (name, state.encode(), b" ".join(b"%d" % number for number in numbers))
    found = parse_stat(line)
    assert found.state == state
    assert (found.ppid, found.pgrp, found.session) == tuple(numbers[:3])
    assert found.start_ticks == numbers[18]
    assert found.cpu_ticks == numbers[10] + numbers[11]
    assert found.rss_bytes == numbers[20] * os.sysconf("SC_PAGE_SIZE")
    assert found.exit_status == (numbers[48] if state == "Z" else 0)


@pytest.mark.parametrize("name", ["a) R 1 (b", "))))", "x y\nz"])
def test_a_real_process_with_a_hostile_name_is_understood(spawner: Spawner, name: str) -> None:
    script = "import ctypes, sys, time; ctypes.CDLL(None).prctl(15, sys.argv[1].encode()); time.sleep(60)"
    process = spawner.spawn(sys.executable, "-I", "-S", "-c", script, name)
    comm = Path(f"/proc/{process.identity.pid}/comm")
    wait_for(lambda: comm.read_text() == name + "\n", 5, "it has its name")
    found = ProcTable.read()[process.identity.pid]
    assert (found.ppid, found.start_ticks) == (os.getpid(), process.identity.start_ticks)


@pytest.mark.parametrize("line", [b"", b"1", b"1 (a", b"1 (a) S 1", b"1 (a) S " + b"x " * 60])
def test_half_a_line_is_refused(line: bytes) -> None:
    with pytest.raises((ValueError, IndexError)):
        parse_stat(line)


def test_a_variable_is_found_by_its_whole_name_only() -> None:
    environ = b"XMEDIMGR_RUN_ID=no\0A=MEDIMGR_RUN_ID=no\0MEDIMGR_RUN_ID=yes\0B=1\0"
    assert variable(environ, "MEDIMGR_RUN_ID") == "yes"
    assert variable(environ, "RUN_ID") is None
    assert variable(b"", "A") is None
