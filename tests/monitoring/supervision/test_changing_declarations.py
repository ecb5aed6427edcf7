"""Declarations change while services run: added, edited, renamed, deleted."""

import signal

import pytest

from monitoring.models import Dependency, Service, Transition
from tests.monitoring.supervision.ward import Ward, program, sleeper

pytestmark = pytest.mark.both_databases


def test_a_new_service_starts_by_itself(shared_ward: Ward) -> None:
    assert shared_ward.reaches(shared_ward.declare(), "RUNNING").reason == "boot"


def test_a_new_service_without_autostart_stays_down(shared_ward: Ward) -> None:
    service = shared_ward.declare(autostart=False)
    other = shared_ward.declare()
    shared_ward.reaches(other, "RUNNING")
    assert shared_ward.status(service).state == "STOPPED"


def test_a_deleted_service_is_stopped_and_forgotten(shared_ward: Ward) -> None:
    service = shared_ward.declare()
    shared_ward.reaches(service, "RUNNING")
    assert shared_ward.journal(service) is not None
    Service.objects.get(pk=service.pk).delete()
    shared_ward.wait(lambda: not shared_ward.processes(service), "its process is ended")
    shared_ward.wait(lambda: shared_ward.journal(service) is None, "its journal entry is gone")
    shared_ward.wait(lambda: shared_ward.runs(service)[0].ended_at, "its run is ended")
    assert not Transition.objects.filter(service_id=service.pk).exists()


def test_a_service_deleted_and_declared_anew_starts_after_the_old_one_ended(shared_ward: Ward) -> None:
    old = shared_ward.declare("phoenix", command=program("slow_to_stop", "0.4"))
    shared_ward.reaches(old, "RUNNING")
    shared_ward.wait(lambda: "ready" in shared_ward.log(old), "it catches the signal")
    Service.objects.get(pk=old.pk).delete()
    new = shared_ward.declare("phoenix")
    status = shared_ward.reaches(new, "RUNNING")
    assert [process.pid for process in shared_ward.processes(new)] == [status.pid]
    first, second = shared_ward.runs(new)
    assert first.ended_at is not None
    assert first.ended_at <= second.started_at


def test_a_renamed_key_moves_the_service(shared_ward: Ward) -> None:
    service = shared_ward.declare("before")
    old = shared_ward.reaches(service, "RUNNING").pid
    service.key = "after"
    service.save()
    status = shared_ward.comes_back(service, old)
    assert [process.pid for process in shared_ward.processes(service)] == [status.pid]
    service.key = "before"
    assert shared_ward.processes(service) == []


def test_what_a_process_runs_changes_at_its_next_start_and_says_so(shared_ward: Ward) -> None:
    service = shared_ward.declare()
    pid = shared_ward.reaches(service, "RUNNING").pid
    service.command = ["sleep", "601"]
    service.save()
    assert shared_ward.reaches(service, "RUNNING", needs_restart=True).pid == pid
    service.command = sleeper()
    service.save()
    assert shared_ward.reaches(service, "RUNNING", needs_restart=False).pid == pid
    service.command = ["sleep", "602"]
    service.save()
    shared_ward.reaches(service, "RUNNING", needs_restart=True)
    shared_ward.act(service, "restart")
    assert not shared_ward.status(service).needs_restart
    assert shared_ward.processes(service)[0].cmdline() == ["sleep", "602"]


def test_other_settings_hold_at_once(shared_ward: Ward) -> None:
    service = shared_ward.declare(stop_timeout_seconds=60.0, command=program("slow_to_stop", "60"))
    pid = shared_ward.reaches(service, "RUNNING").pid
    shared_ward.wait(lambda: "ready" in shared_ward.log(service), "it catches the signal")
    service.stop_timeout_seconds = 0.2
    service.save()
    assert shared_ward.act(service, "stop").status == "SUCCESS"
    assert shared_ward.runs(service)[0].pid == pid
    assert not shared_ward.status(service).needs_restart


def test_what_no_event_announces_is_found_by_a_reload(shared_ward: Ward) -> None:
    service = shared_ward.declare(autostart=False)
    Service.objects.filter(pk=service.pk).update(command=["sleep", "603"])
    Dependency.objects.filter(service=service).delete()
    shared_ward.running().signal(signal.SIGHUP)
    shared_ward.wait(
        lambda: (
            shared_ward.act(service, "restart").status == "SUCCESS"
            and shared_ward.processes(service)[0].cmdline() == ["sleep", "603"]
        ),
        "the new command runs",
    )
