"""A supervisor that dies takes nothing with it, and its successor starts nothing twice."""

import os
import signal
import time

import psutil
import pytest

from monitoring.models import Node, Run, Service
from operations.models import Operation
from tests.monitoring.supervision.ward import Ward, program

pytestmark = pytest.mark.both_databases


def pids(ward: Ward, *services: Service) -> list[int | None]:
    return [ward.reaches(service, "RUNNING").pid for service in services]


def test_kill_minus_nine_of_the_supervisor_and_a_new_one_leaves_every_pid(ward: Ward) -> None:
    ward.start()
    services = [ward.declare() for _ in range(5)]
    escaping = ward.declare(command=program("escapee", "daemon"))
    before = pids(ward, *services, escaping)
    for times in (1, 2, 3):
        ward.kill_supervisor()
        ward.start()
        for service in (*services, escaping):
            ward.wait(
                lambda s=service, n=times: ward.history(s).count("RUNNING>RUNNING adopted") == n,
                f"{service.key} is taken over for the {times}. time",
            )
        assert pids(ward, *services, escaping) == before
    for service in services:
        assert len(ward.processes(service)) == 1
        (run,) = ward.runs(service)
        assert (run.ended_at, run.ready_at is not None) == (None, True)
        assert ward.status(service).restarts == 0
    # What was taken over can be stopped like any other, with whatever escaped from it.
    assert ward.act(escaping, "stop").status == "SUCCESS"
    assert ward.processes(escaping) == []


def test_a_stop_of_the_supervisor_stops_all_and_the_next_start_brings_back_what_was_up(ward: Ward) -> None:
    ward.start()
    up, down = ward.declare(), ward.declare()
    ward.reaches(up, "RUNNING")
    ward.reaches(down, "RUNNING")
    ward.act(down, "stop")
    assert ward.running().stop() == 0
    assert (ward.status(up).state, ward.status(up).intent, ward.status(up).reason) == (
        "STOPPED",
        "up",
        "shutdown",
    )
    assert ward.instance.living() == []
    node = Node.objects.get()
    assert (node.supervisor_pid, node.problem) == (None, "")
    ward.start()
    assert ward.reaches(up, "RUNNING").reason == "boot"
    assert (ward.status(down).state, ward.status(down).intent) == ("STOPPED", "down")
    assert Node.objects.get().epoch == node.epoch + 1


def test_what_died_while_nobody_looked_comes_back(ward: Ward) -> None:
    """Scenario 18."""
    ward.start()
    service = ward.declare(backoff_base_seconds=0.05)
    ward.reaches(service, "RUNNING")
    ward.kill_supervisor()
    old = ward.kill(service)
    ward.wait(lambda: not psutil.pid_exists(old), "it is gone")
    ward.start()
    status = ward.comes_back(service, old)
    assert (status.reason, status.restarts) == ("crash", 1)
    first, _ = ward.runs(service)
    assert (first.exit_code, first.exit_source, first.ended_at is not None) == (None, "unknown", True)


def test_an_exit_after_the_adoption_is_noticed(ward: Ward) -> None:
    ward.start()
    service = ward.declare(stable_seconds=0.1)
    ward.reaches(service, "RUNNING")
    ward.kill_supervisor()
    ward.start()
    ward.reaches(service, "RUNNING", reason="adopted")
    status = ward.comes_back(service, ward.kill(service))
    assert [process.pid for process in ward.processes(service)] == [status.pid]


def test_a_stop_that_was_under_way_is_carried_on(ward: Ward) -> None:
    ward.start()
    service = ward.declare(command=program("slow_to_stop", "60"), stop_timeout_seconds=60.0)
    ward.reaches(service, "RUNNING")
    ward.wait(lambda: "ready" in ward.log(service), "it catches the signal")
    operation = ward.ask(service, "stop")
    ward.reaches(service, "STOPPING")
    ward.kill_supervisor()
    Service.objects.filter(pk=service.pk).update(stop_timeout_seconds=0.2)
    ward.start()
    ward.reaches(service, "STOPPED")
    assert ward.processes(service) == []
    ended = Operation.objects.get(pk=operation.pk)
    assert (ended.status, ended.error_code) == ("FAILED", "lease-lost")


def test_killed_between_writing_the_journal_and_starting_the_process(ward: Ward) -> None:
    ward.start()
    service = ward.declare()
    old = ward.reaches(service, "RUNNING").pid
    ward.kill_supervisor()
    # As if it had died before the spawn: an entry without a pid, and no such process.
    os.kill(old or 0, signal.SIGKILL)
    ward.edit_journal(service, pid=None, start_ticks=0, run_id="11111111-2222-3333-4444-555555555555")
    ward.start()
    status = ward.comes_back(service, old)
    assert [process.pid for process in ward.processes(service)] == [status.pid]


def test_killed_between_starting_the_process_and_writing_its_pid(ward: Ward) -> None:
    ward.start()
    service = ward.declare()
    old = ward.reaches(service, "RUNNING").pid
    ward.kill_supervisor()
    # As if it had died right after the spawn: the process is there, and only its marker tells.
    ward.edit_journal(service, pid=None, start_ticks=0)
    ward.start()
    assert ward.reaches(service, "RUNNING", reason="adopted").pid == old
    assert len(ward.processes(service)) == 1


def test_a_service_with_a_data_directory_of_its_own_is_found_without_the_journal(ward: Ward) -> None:
    """It may be an installation of medimgr itself, so its environment names another directory."""
    ward.start()
    service = ward.declare(env={"MEDIMGR_DATA_DIR": "/elsewhere", "MEDIMGR_SUPERVISED_BY": "somebody"})
    old = ward.reaches(service, "RUNNING").pid
    ward.kill_supervisor()
    ward.strike_from_journal(service)
    ward.start()
    assert ward.reaches(service, "RUNNING", reason="adopted").pid == old
    assert len(ward.processes(service)) == 1


def test_what_a_run_without_a_written_pid_has_left_is_ended(ward: Ward) -> None:
    ward.start()
    service = ward.declare(command=program("stubborn"), restart_policy="never")
    leader = ward.reaches(service, "RUNNING").pid
    ward.wait(lambda: ward.log(service).strip(), "the child is there")
    child = int(ward.log(service))
    ward.kill_supervisor()
    # As if it had died before it wrote the pid, and the leader meanwhile: only the child's marker tells.
    os.kill(leader or 0, signal.SIGKILL)
    ward.edit_journal(service, pid=None, start_ticks=0)
    ward.wait(
        lambda: [process.pid for process in ward.processes(service)] == [child], "the child alone is left"
    )
    ward.start()
    ward.reaches(service, "EXITED")
    ward.wait(lambda: not ward.processes(service), "the child is ended", timeout=5)


@pytest.mark.parametrize("state", ["WAITING", "RUNNING"])
def test_the_row_of_a_run_that_the_database_never_heard_of_is_made(ward: Ward, state: str) -> None:
    ward.start()
    service = ward.declare()
    pid = ward.reaches(service, "RUNNING").pid
    ward.kill_supervisor()
    Run.objects.all().delete()
    service.status.__class__.objects.filter(service=service).update(state=state, pid=None)
    ward.start()
    assert ward.reaches(service, "RUNNING", pid=pid).reason == "adopted"
    ward.wait(lambda: [run.pid for run in ward.runs(service)] == [pid], "its row is made")
    ward.act(service, "stop")
    (run,) = ward.runs(service)
    assert run.pid == pid
    assert run.ended_at is not None
    # Only its parent is told for sure how it ended; what we did not start may have had another.
    assert run.exit_signal in ("", "SIGTERM")


def test_a_pid_that_belongs_to_a_stranger_by_now_is_left_alone(ward: Ward) -> None:
    """Scenario 18."""
    ward.start()
    service = ward.declare()
    old = ward.reaches(service, "RUNNING").pid
    ward.kill_supervisor()
    os.kill(old or 0, signal.SIGKILL)
    stranger = ward.instance.start_command(["sleep", "600"], name="stranger")
    ward.edit_journal(service, pid=stranger.pid)
    ward.start()
    status = ward.comes_back(service, old)
    assert status.pid != stranger.pid
    ward.act(service, "stop")
    assert stranger.alive


def test_after_a_reboot_everything_wanted_up_starts_afresh(ward: Ward) -> None:
    """Scenario 20."""
    ward.start()
    up = ward.declare(backoff_base_seconds=60.0)
    task = ward.declare(command=["true"], restart_policy="on-failure")
    down = ward.declare(autostart=False)
    old = ward.reaches(up, "RUNNING").pid
    ward.reaches(task, "EXITED")
    ward.kill_supervisor()
    for process in ward.instance.living():
        process.kill()
    ward.edit_journal(up, boot_id="another-boot")
    Node.objects.update(boot_id="another-boot", heartbeat_at=None)
    ward.start()
    status = ward.comes_back(up, old)
    assert (status.reason, status.restarts) == ("boot", 0)
    ward.wait(lambda: len(ward.runs(task)) == 2, "the task runs once more")
    assert ward.status(down).state == "STOPPED"


def test_a_service_deleted_while_no_supervisor_ran_is_stopped(ward: Ward) -> None:
    ward.start()
    service = ward.declare()
    ward.reaches(service, "RUNNING")
    ward.kill_supervisor()
    Service.objects.get(pk=service.pk).delete()
    ward.start()
    ward.wait(lambda: ward.processes(service) == [], "its process is ended")
    ward.wait(lambda: ward.journal(service) is None, "it is forgotten")


def test_settings_changed_while_no_supervisor_ran_wait_for_a_restart(ward: Ward) -> None:
    ward.start()
    service = ward.declare()
    pid = ward.reaches(service, "RUNNING").pid
    ward.kill_supervisor()
    Service.objects.filter(pk=service.pk).update(env={"MODE": "other"})
    ward.start()
    assert ward.reaches(service, "RUNNING", needs_restart=True).pid == pid
    ward.act(service, "restart")
    assert not ward.status(service).needs_restart


def test_a_second_supervisor_refuses_and_names_the_first(ward: Ward) -> None:
    """Scenario 19."""
    ward.start()
    service = ward.declare()
    pid = ward.reaches(service, "RUNNING").pid
    refused = ward.instance.manage("supervise")
    assert refused.returncode == 1
    assert f"process {ward.running().pid}" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert ward.status(service).pid == pid


def test_a_supervisor_elsewhere_with_the_same_node_is_refused(ward: Ward) -> None:
    """Scenario 19."""
    ward.start()
    other = ward.instance.directory / "elsewhere"
    other.mkdir()
    env = {**ward.instance.env, "MEDIMGR_DATA_DIR": str(other)}
    refused = ward.instance.start("supervise", **{"MEDIMGR_DATA_DIR": env["MEDIMGR_DATA_DIR"]})
    assert refused.wait(15) == 1
    assert str(ward.running().pid) in refused.output()


def test_a_supervisor_that_lost_its_node_ends_and_leaves_the_services(ward: Ward) -> None:
    """Scenario 19."""
    ward.start()
    service = ward.declare()
    pid = ward.reaches(service, "RUNNING").pid
    Node.objects.update(epoch=99)
    assert ward.running().wait(15) == 1
    assert "has taken node" in ward.running().output()
    assert psutil.pid_exists(pid or 0)
    assert Node.objects.get().epoch == 99


def test_two_interrupts_kill_what_does_not_want_to_end(ward: Ward) -> None:
    ward.start()
    service = ward.declare(command=program("slow_to_stop", "60"), stop_timeout_seconds=60.0)
    ward.reaches(service, "RUNNING")
    ward.wait(lambda: "ready" in ward.log(service), "it catches the signal")
    ward.running().signal(signal.SIGINT)
    ward.reaches(service, "STOPPING")
    ward.running().signal(signal.SIGINT)
    assert ward.running().wait(15) == 0
    assert ward.processes(service) == []
    assert ward.status(service).state == "STOPPED"


def test_it_keeps_logging_without_a_supervisor(ward: Ward) -> None:
    """Scenario 16."""
    ward.start()
    service = ward.declare(command=["sh", "-c", "while :; do echo line; sleep 0.05; done"])
    ward.reaches(service, "RUNNING")
    ward.kill_supervisor()
    size = len(ward.log(service))
    ward.wait(lambda: len(ward.log(service)) > size + 20, "it goes on")
    began = time.time()
    ward.start()
    assert set(ward.log(service).split()) == {"line"}
    assert time.time() - began < 30
