"""Services that run by the clock, with a real supervisor; the clock on the wall is the test's."""

import sys
import time
from pathlib import Path

from monitoring.models import Node, Transition
from tests.monitoring.supervision.ward import PROGRAMS, Ward
from tests.running import ROOT


class Wall:
    """The clock that the supervisor's timetable goes by, as far ahead of the real one as is said."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.set_before_a_minute(3600.0)

    def set_before_a_minute(self, seconds: float) -> None:
        """Set it so that the next full minute comes in ``seconds``."""
        new = self.file.with_suffix(".new")
        new.write_text(str(60.0 - time.time() % 60.0 + 600_000.0 - seconds))
        new.rename(self.file)


def start(ward: Ward) -> Wall:
    wall = Wall(ward.instance.directory / "ahead")
    command = [sys.executable, str(PROGRAMS / "by_another_clock.py"), str(wall.file)]
    ward.supervisor = ward.instance.start_command(command, name="supervise", PYTHONPATH=str(ROOT))
    pid = ward.supervisor.pid
    ward.wait(lambda: Node.objects.filter(supervisor_pid=pid).exists(), "the supervisor has the node")
    return wall


def test_it_runs_at_its_time_never_twice_at_once_and_not_otherwise(ward: Ward) -> None:
    wall = start(ward)
    gate = ward.instance.directory / "gate"
    service = ward.declare(
        command=["/bin/sh", "-c", f"echo begun; until [ -e {gate} ]; do sleep 0.02; done"],
        schedule="* * * * *",
        post_stop_command=["/bin/sh", "-c", "echo tidied up"],
    )
    resting = ward.reaches(service, "EXITED", reason="schedule", intent="up")
    assert resting.next_run_at is not None
    assert ward.runs(service) == []

    wall.set_before_a_minute(-0.5)
    ward.reaches(service, "RUNNING", reason="schedule")
    first = ward.status(service)
    assert first.next_run_at is not None
    assert first.next_run_at > resting.next_run_at

    wall.set_before_a_minute(-61.0)  # its time comes while the first run goes on
    ward.wait(
        lambda: Transition.objects.filter(service=service, detail__contains="skipped").exists(),
        "the time that is skipped is told",
    )
    assert ward.status(service).pid == first.pid

    gate.touch()
    ward.reaches(service, "EXITED", reason="completed")
    assert len(ward.runs(service)) == 1
    assert ward.log(service).splitlines() == ["begun", "tidied up"]

    wall.set_before_a_minute(-121.0)
    ward.wait(lambda: len(ward.runs(service)) == 2, "it runs again")
    ward.reaches(service, "EXITED", reason="completed")
    assert ward.status(service).restarts == 0

    assert ward.act(service, "restart").status == "SUCCESS"  # now, although it is not its time
    ward.wait(lambda: len(ward.runs(service)) == 3, "it runs now")

    assert ward.act(service, "stop").status == "SUCCESS"
    assert ward.status(service).next_run_at is None
    started = ward.act(service, "start")
    assert (started.status, started.error_code) == ("SUCCESS", "")
    back = ward.reaches(service, "EXITED", reason="schedule")
    assert back.next_run_at is not None
    assert len(ward.runs(service)) == 3


def test_a_supervisor_that_starts_again_keeps_it_waiting_for_its_time(ward: Ward) -> None:
    start(ward)
    service = ward.declare(command=["/bin/true"], schedule="0 3 * * *", schedule_time_zone="Europe/Berlin")
    before = ward.reaches(service, "EXITED", reason="schedule").next_run_at
    ward.kill_supervisor()
    ward.start()
    ward.reaches(ward.declare(), "RUNNING")  # it is at work
    assert ward.reaches(service, "EXITED").next_run_at is not None
    assert before is not None
    assert ward.runs(service) == []
    # Declared to run like any other, it does.
    service.schedule = ""
    service.command = ["sleep", "600"]
    service.save()
    ward.reaches(service, "RUNNING", reason="config", next_run_at=None)


def test_a_schedule_that_is_taken_away_while_no_supervisor_looks_is_not_waited_for(ward: Ward) -> None:
    start(ward)
    service = ward.declare(command=["/bin/true"], schedule="0 3 * * *")
    ward.reaches(service, "EXITED", reason="schedule")
    ward.kill_supervisor()
    service.schedule = ""
    service.command = ["sleep", "600"]
    service.save()
    ward.start()
    ward.reaches(service, "RUNNING", next_run_at=None)
