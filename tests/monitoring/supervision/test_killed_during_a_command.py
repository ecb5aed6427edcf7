"""The supervisor ends while a command of a service runs (scenario 17, with commands; more in test_hooks).

The next one ends the command, since nobody would hear of its end, and goes on from where that phase began.
"""

import signal
from pathlib import Path

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


def test_a_pre_start_hook_at_a_planned_hand_over(ward: Ward, command: Command) -> None:
    ward.start("supervise", "--leave-running")
    service = ward.declare(pre_start_command=command.command)
    first = command.runs(ward, 1)
    ward.reaches(service, "STARTING")
    assert ward.running().stop() == 0
    # No command is left behind that nobody listens to.
    assert gone(first)
    ward.start()
    assert not gone(command.runs(ward, 2))
    command.go_on()
    status = ward.reaches(service, "RUNNING")
    assert [process.pid for process in ward.processes(service)] == [status.pid]
    assert len(ward.runs(service)) == 1
    # It has not failed: its supervisor did.
    assert status.restarts == 0
    assert not any("crash" in line for line in ward.history(service))


def test_a_stop_command(ward: Ward, command: Command) -> None:
    ward.start()
    service = ward.declare(stop_request_seconds=2.0, stop_command=command.command)
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
