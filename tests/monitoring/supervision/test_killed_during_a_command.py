"""kill -9 of the supervisor while a hook or a stop command of a service runs (scenario 17, with commands).

The next one ends the command, since nobody would hear of its end, and goes on from where that phase began.
"""

import signal
from pathlib import Path
from typing import Any

import psutil
import pytest

from monitoring.models import Service
from tests.monitoring.supervision.ward import Ward


class Command:
    """A command that tells its pid and hangs until ``go`` is there."""

    def __init__(self, directory: Path) -> None:
        self._pids = directory / "pids"
        self._go = directory / "go"
        script = f"echo $$ >> {self._pids}; while ! [ -e {self._go} ]; do sleep 0.02; done"
        self.command = ["sh", "-c", script]

    def pids(self) -> list[int]:
        """Return the pids of all that have run."""
        return list(map(int, self._pids.read_text().split())) if self._pids.exists() else []

    def runs(self, ward: Ward, times: int) -> int:
        """Wait until it has been started so many times and return the last pid."""
        ward.wait(lambda: len(self.pids()) >= times, f"the command runs for time {times}")
        assert len(self.pids()) == times
        return self.pids()[-1]

    def go_on(self) -> None:
        """Let it end from now on."""
        self._go.touch()


@pytest.fixture
def command(ward: Ward) -> Command:
    return Command(ward.instance.directory)


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("planned", [False, True])
def test_a_pre_start_hook(ward: Ward, command: Command, planned: bool) -> None:
    ward.start("supervise", "--leave-running")
    service = ward.declare(pre_start_command=command.command)
    first = command.runs(ward, 1)
    ward.reaches(service, "STARTING")
    if planned:
        assert ward.running().stop() == 0
    else:
        ward.kill_supervisor()
    # One that ends as planned leaves no command behind that nobody listens to.
    assert gone(first) is planned
    ward.start()
    second = command.runs(ward, 2)
    assert gone(first)
    assert not gone(second)
    command.go_on()
    status = ward.reaches(service, "RUNNING")
    assert [process.pid for process in ward.processes(service)] == [status.pid]
    assert len(ward.runs(service)) == 1
    # It has not failed: its supervisor did.
    assert status.restarts == 0
    assert not any("crash" in line for line in ward.history(service))


@pytest.mark.parametrize("field", ["pre_stop_command", "stop_command"])
def test_what_goes_before_the_signal(ward: Ward, command: Command, field: str) -> None:
    ward.start()
    declared: dict[str, Any] = {field: command.command}
    service = ward.declare(hook_timeout_seconds=60.0, stop_request_seconds=2.0, **declared)
    ward.reaches(service, "RUNNING")
    ward.ask(service, "stop")
    first = command.runs(ward, 1)
    ward.reaches(service, "STOPPING")
    ward.kill_supervisor()
    assert len(ward.processes(service)) == 1
    ward.start()
    command.runs(ward, 2)
    assert gone(first)
    assert len(ward.processes(service)) == 1
    command.go_on()
    ward.reaches(service, "STOPPED")
    assert ward.processes(service) == []
    assert [run.ended_at is not None for run in ward.runs(service)] == [True]


def test_a_post_stop_hook(ward: Ward, command: Command) -> None:
    ward.start()
    service = ward.declare(hook_timeout_seconds=60.0, post_stop_command=command.command)
    old = ward.reaches(service, "RUNNING").pid
    ward.ask(service, "restart")
    first = command.runs(ward, 1)
    ward.wait(lambda: ward.processes(service) == [], "the old process is gone")
    ward.kill_supervisor()
    command.go_on()
    ward.start()
    status = ward.comes_back(service, old)
    assert gone(first)
    assert [process.pid for process in ward.processes(service)] == [status.pid]


def test_a_command_that_a_dead_supervisor_has_left_alone_is_ended_even_with_its_service(ward: Ward) -> None:
    """The service is deleted meanwhile; the hook ends all the same, with what it has in the background."""
    path = ward.instance.directory / "pids"
    script = f"setsid sleep 600 & echo $! >> {path}; echo $$ >> {path}; wait"
    ward.start()
    service = ward.declare(pre_start_command=["sh", "-c", script])
    ward.wait(lambda: path.exists() and len(path.read_text().split()) == 2, "the hook runs")
    ward.running().signal(signal.SIGKILL)
    ward.running().wait(5)
    Service.objects.get(pk=service.pk).delete()
    ward.start()
    for pid in map(int, path.read_text().split()):
        ward.wait(lambda pid=pid: gone(pid), f"pid {pid} is ended", timeout=5)
