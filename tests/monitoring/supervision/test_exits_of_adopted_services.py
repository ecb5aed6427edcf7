"""How a service that was taken over ended: the kernel tells, although we are not its parent (scenario 18)."""

import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from monitoring.models import Node, Service
from tests.monitoring.adapters.test_adopting_a_process import KNOWN_AFTER_REAPING
from tests.monitoring.supervision.ward import PROGRAMS, Ward
from tests.running import MANAGE

SAYS_42 = ["sh", "-c", "trap 'exit 42' TERM; echo ready; while :; do sleep 0.05; done"]


def left_behind(ward: Ward, parent: str) -> tuple[Service, int]:
    """Start a supervisor below a ``parent`` that reaps or keeps, kill it -9, return what it leaves."""
    command = [sys.executable, str(PROGRAMS / "keeper.py"), parent, *MANAGE, "supervise"]
    ward.instance.start_command(command, name="keeper")
    service = ward.declare(command=SAYS_42, backoff_base_seconds=0.05)
    pid = ward.reaches(service, "RUNNING").pid
    ward.wait(lambda: "ready" in ward.log(service), "it catches the signal")
    supervisor = Node.objects.get().supervisor_pid
    assert pid
    assert supervisor
    os.kill(supervisor, signal.SIGKILL)
    ward.wait(lambda: psutil.Process(pid).ppid() != supervisor, "it has another parent")
    return service, pid


def how_it_ended(ward: Ward, service: Service, pid: int) -> tuple[int | None, str, str]:
    ward.comes_back(service, pid)
    first = ward.runs(service)[0]
    assert first.pid == pid
    return first.exit_code, first.exit_signal, first.exit_source


@KNOWN_AFTER_REAPING
def test_one_whose_parent_was_quicker_than_we(ward: Ward) -> None:
    service, pid = left_behind(ward, "reap")
    ward.start()
    ward.reaches(service, "RUNNING", reason="adopted")
    ward.running().signal(signal.SIGSTOP)
    os.kill(pid, signal.SIGTERM)
    ward.wait(lambda: not Path(f"/proc/{pid}").exists(), "its parent has reaped it")
    ward.running().signal(signal.SIGCONT)
    assert how_it_ended(ward, service, pid) == (42, "", "pidfd")
    assert "exited with code 42" in " ".join(
        row.detail for row in service.transitions.filter(run_id=ward.runs(service)[0].run_id)
    )


def test_one_whose_parent_never_reaps(ward: Ward) -> None:
    """Scenario 21: as under a PID 1 that reaps nothing, where kill(pid, 0) still succeeds."""
    service, pid = left_behind(ward, "keep")
    ward.start()
    ward.reaches(service, "RUNNING", reason="adopted")
    os.kill(pid, signal.SIGTERM)
    assert how_it_ended(ward, service, pid) == (42, "", "proc")
    os.kill(pid, 0)
    assert psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize(("parent", "known"), [("keep", (42, "", "proc")), ("reap", (None, "", "unknown"))])
def test_one_that_ended_while_no_supervisor_was_there(
    ward: Ward, parent: str, known: tuple[int | None, str, str]
) -> None:
    service, pid = left_behind(ward, parent)
    os.kill(pid, signal.SIGTERM)
    ward.wait(
        lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE,
        "it has ended",
    )
    if parent == "reap":
        ward.wait(lambda: not psutil.pid_exists(pid), "it is reaped")
    ward.start()
    assert how_it_ended(ward, service, pid) == known
