"""Hooks and probes that a dead supervisor has left are ended; nobody else's are."""

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from monitoring.supervisor.launch import launch_command
from monitoring.supervisor.marked import end_commands, find_marked
from monitoring.supervisor.proctable import ProcTable
from tests.monitoring.adapters.conftest import Spawner, end, gone
from tests.running import wait_for

DATA_DIR = "/nowhere/data"


@pytest.fixture
def started() -> Iterator[list[int]]:
    """The pids of commands that a test has started."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        end(pid)
        os.waitpid(pid, 0)


def command(spawner: Spawner, started: list[int], script: str, node: str = "n") -> int:
    """Start a command as a supervisor of ``node`` does; return its pid."""
    spec = spawner.spec("/bin/sh", "-c", script)
    spawner.log.parent.mkdir(exist_ok=True)
    with spawner.log.open("ab") as output:
        pid = launch_command(spec, {}, output.fileno(), node=node, data_dir=DATA_DIR)
    started.append(pid)
    return pid


def test_they_are_ended_with_all_that_they_have_started(spawner: Spawner, started: list[int]) -> None:
    first = command(
        spawner, started, "sleep 60 & echo $!; setsid sleep 60 & echo $!; trap : TERM; wait; wait"
    )
    children = spawner.pids(2)
    wait_for(lambda: len(find_marked(ProcTable.read(), "n", DATA_DIR).commands) == 3, 5, "three processes")
    found = find_marked(ProcTable.read(), "n", DATA_DIR)
    assert found.runs == {}
    assert {one.service for one in found.commands} == {"it"}
    end_commands(found.commands, "n", DATA_DIR)
    assert all(gone(pid) for pid in (first, *children))


def test_those_of_another_node_or_directory_are_let_be(spawner: Spawner, started: list[int]) -> None:
    other = command(spawner, started, "exec sleep 60", node="other")
    wait_for(lambda: find_marked(ProcTable.read(), "other", DATA_DIR).commands, 5, "it is there")
    for node, data_dir in (("n", DATA_DIR), ("other", "/nowhere/else")):
        marks = find_marked(ProcTable.read(), node, data_dir)
        assert marks.commands == ()
        end_commands(marks.commands, node, data_dir)
    assert not gone(other)


def test_a_pid_that_is_a_strangers_by_now_is_let_be(spawner: Spawner, started: list[int]) -> None:
    pid = command(spawner, started, "exec sleep 60")
    [found] = wait_for(lambda: find_marked(ProcTable.read(), "n", DATA_DIR).commands, 5, "it is there")
    end_commands([replace(found, start_ticks=found.start_ticks - 1)], "other", DATA_DIR)
    assert not gone(pid)


def test_what_keeps_starting_more_is_ended_too(spawner: Spawner, started: list[int]) -> None:
    command(spawner, started, "while :; do sleep 60 & sleep 0.001; done")
    wait_for(lambda: len(find_marked(ProcTable.read(), "n", DATA_DIR).commands) > 5, 5, "it has begun")
    end_commands(find_marked(ProcTable.read(), "n", DATA_DIR).commands, "n", DATA_DIR)
    assert find_marked(ProcTable.read(), "n", DATA_DIR).commands == ()
