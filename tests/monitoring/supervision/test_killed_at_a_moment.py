"""kill -9 of a real supervisor at the worst moments, and what the next one makes of it (scenario 17)."""

import os
import signal
import sys
from collections.abc import Iterator

import pytest
from django.conf import settings

from monitoring.models import Service
from monitoring.supervisor.identity import supervisor_mark
from operations.models import Operation
from tests.chaos.invariants import breaches
from tests.chaos.watcher import Watcher
from tests.monitoring.supervision.ward import PROGRAMS, Ward, program
from tests.running import ROOT, RunningProcess


@pytest.fixture
def watcher(ward: Ward) -> Iterator[Watcher]:
    """Somebody who sees it if two runs of a service live at once."""
    watcher = Watcher(supervisor_mark(settings.MEDIMGR_NODE, str(ward.instance.data_dir)))
    watcher.start()
    yield watcher
    watcher.stop()
    assert watcher.doubled == []
    assert watcher.samples > 10


def dying(ward: Ward, moment: str) -> RunningProcess:
    """Start a supervisor that will kill itself at ``moment``."""
    command = [sys.executable, str(PROGRAMS / "dying_supervisor.py"), moment]
    ward.supervisor = ward.instance.start_command(command, name="dying", PYTHONPATH=str(ROOT))
    return ward.supervisor


def dies(ward: Ward) -> None:
    """Wait until it has, and see that it did so itself."""
    ward.wait(lambda: not ward.running().alive, "the supervisor comes to its moment", timeout=20)
    assert ward.running().returncode == -signal.SIGKILL, ward.running().output()


def family(ward: Ward, **fields: float) -> Service:
    """Declare a service with a whole tree of processes, some of which leave their group."""
    quick = {"backoff_base_seconds": 0.05, "backoff_cap_seconds": 0.05, "stop_timeout_seconds": 0.5}
    return ward.declare("family", command=program("busy_family"), **{**quick, **fields})  # type: ignore[arg-type]


def taken_over(ward: Ward, watcher: Watcher, service: Service, state: str) -> None:
    """Let the next supervisor take over, and see that nothing is doubled, lost or left."""
    ward.start()
    ward.reaches(service, state, timeout=20)
    ward.wait(lambda: breaches([service], watcher.processes()) == [] or None, "all is as it has to be", 5)
    if state == "RUNNING":
        runs = {one.run_id for one in watcher.processes()}
        assert runs == {str(ward.runs(service)[-1].run_id)}


@pytest.mark.parametrize(
    "moment",
    [
        "between the journal and the spawn",
        "between the spawn and its pid",
        "between the pid and the database",
    ],
)
def test_while_it_starts_a_service(ward: Ward, watcher: Watcher, moment: str) -> None:
    service = family(ward)
    dying(ward, moment)
    dies(ward)
    left = [one.pid for one in watcher.processes() if one.leader and one.service == service.key]
    taken_over(ward, watcher, service, "RUNNING")
    if left:
        assert ward.status(service).pid in left
        assert len(ward.runs(service)) == 1


@pytest.mark.parametrize(
    "moment",
    [
        "between the exit and the end of its group",
        "between the exit and its record",
        "between the record and the database",
    ],
)
def test_while_a_service_ends(ward: Ward, watcher: Watcher, moment: str) -> None:
    service = family(ward)
    dying(ward, moment)
    old = ward.reaches(service, "RUNNING").pid
    ward.wait(lambda: "ready" in ward.log(service), "its tree is there")
    os.kill(old or 0, signal.SIGKILL)
    dies(ward)
    taken_over(ward, watcher, service, "RUNNING")
    first, second = ward.runs(service)
    assert (first.pid, second.pid) == (old, ward.status(service).pid)
    assert first.exit_source in ("wait", "proc", "unknown")


@pytest.mark.parametrize(
    "moment", ["before the signal to stop", "after the signal to stop", "while it stops"]
)
def test_while_it_stops_a_service(ward: Ward, watcher: Watcher, moment: str) -> None:
    service = ward.declare("slow", command=program("slow_to_stop", "60"), stop_timeout_seconds=1.0)
    dying(ward, moment)
    ward.reaches(service, "RUNNING")
    ward.wait(lambda: "ready" in ward.log(service), "it catches the signal")
    operation = ward.ask(service, "stop")
    dies(ward)
    intent = ward.status(service).intent
    # What the database has not heard of has not been asked for, as far as anybody can know.
    taken_over(ward, watcher, service, "STOPPED" if intent == "down" else "RUNNING")
    ended = Operation.objects.get(pk=operation.pk)
    assert (ended.status, ended.error_code) == ("FAILED", "lease-lost")


@pytest.mark.parametrize("moment", ["on the way into the backoff", "in the backoff"])
def test_while_a_service_waits_for_its_next_try(ward: Ward, watcher: Watcher, moment: str) -> None:
    service = family(ward, backoff_base_seconds=30.0, backoff_cap_seconds=30.0)
    dying(ward, moment)
    old = ward.reaches(service, "RUNNING").pid
    ward.wait(lambda: "ready" in ward.log(service), "its tree is there")
    os.kill(old or 0, signal.SIGKILL)
    dies(ward)
    known = ward.status(service).state
    assert known == ("BACKOFF" if moment == "in the backoff" else "RUNNING")
    Service.objects.filter(pk=service.pk).update(backoff_base_seconds=0.05, backoff_cap_seconds=0.05)
    taken_over(ward, watcher, service, "RUNNING")
    assert len(ward.runs(service)) == 2
