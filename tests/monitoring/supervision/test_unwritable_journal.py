"""A supervisor that could not write its runs down leaves processes that its successor knows all the same."""

from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from monitoring.models import Service
from tests.monitoring.supervision.ward import Ward, sleeper
from tests.running import RunningProcess


def refuse(ward: Ward) -> Path:
    """Let every write to the run journal fail as on a full disk; return the path of its file."""
    directory = ward.instance.data_dir / "runs" / ward.instance.env["MEDIMGR_NODE"]
    directory.mkdir(parents=True)
    (directory / "journal").symlink_to("/dev/full")
    return directory / "journal"


def copy(ward: Ward, key: str, **variables: str) -> RunningProcess:
    """Start a process that looks like a run of ``key`` which nobody has written down."""
    marks = {
        "MEDIMGR_RUN_ID": str(uuid4()),
        "MEDIMGR_SERVICE": key,
        "MEDIMGR_NODE": ward.instance.env["MEDIMGR_NODE"],
    }
    return ward.instance.start_command(sleeper(), name="copy", **(marks | variables))


def pids(ward: Ward, service: Service) -> list[int]:
    return [process.pid for process in ward.processes(service)]


@pytest.mark.both_databases
def test_runs_that_nobody_wrote_down_are_taken_over(ward: Ward) -> None:
    refuse(ward)
    ward.start()
    service, other = ward.declare("unwritten"), ward.declare()
    pid = ward.reaches(service, "RUNNING").pid
    another = ward.reaches(other, "RUNNING").pid
    (run,) = ward.runs(service)
    for times in (1, 2):
        ward.kill_supervisor()
        ward.start()
        for one in (service, other):
            ward.wait(
                lambda s=one, n=times: ward.history(s).count("RUNNING>RUNNING adopted") == n,
                f"{one.key} is taken over for the {times}. time",
            )
        ward.reaches(other, "RUNNING", reason="adopted", pid=another)
        status = ward.reaches(service, "RUNNING", reason="adopted")
        assert (status.pid, status.restarts, status.needs_restart) == (pid, 0, False)
        assert pids(ward, service) == [pid]
        assert "unwritten" in ward.running().output()
    (same,) = ward.runs(service)
    assert (same.run_id, same.started_at, same.reason, same.ended_at) == (
        run.run_id,
        run.started_at,
        run.reason,
        None,
    )
    assert ward.act(service, "stop").status == "SUCCESS"
    assert pids(ward, service) == []


def test_what_was_taken_over_is_written_down_once_that_is_possible(ward: Ward) -> None:
    journal = refuse(ward)
    ward.start()
    service = ward.declare("unwritten")
    pid = ward.reaches(service, "RUNNING").pid
    ward.kill_supervisor()
    journal.unlink()
    ward.start()
    ward.reaches(service, "RUNNING", reason="adopted")
    written = ward.journal(service)
    assert written is not None
    assert written.pid == pid


@pytest.mark.parametrize("written", [True, False])
def test_of_two_copies_the_older_is_kept_and_the_other_ended(ward: Ward, written: bool) -> None:
    if not written:
        refuse(ward)
    ward.start()
    service = ward.declare("twice")
    pid = ward.reaches(service, "RUNNING").pid
    ward.kill_supervisor()
    surplus = copy(ward, "twice")
    ward.start()
    assert ward.reaches(service, "RUNNING", reason="adopted").pid == pid
    ward.wait(lambda: not surplus.alive, "the surplus copy is ended", timeout=5)
    assert pids(ward, service) == [pid]
    assert f"pid {surplus.pid}" in ward.running().output()


def test_a_stale_entry_does_not_hide_a_run_that_lives(ward: Ward) -> None:
    ward.start()
    service = ward.declare()
    old = ward.reaches(service, "RUNNING").pid
    ward.kill_supervisor()
    psutil.Process(old).kill()
    unwritten = copy(ward, service.key)
    ward.start()
    assert ward.reaches(service, "RUNNING", reason="adopted").pid == unwritten.pid
    assert pids(ward, service) == [unwritten.pid]


def test_processes_of_other_nodes_and_installations_are_left_alone(ward: Ward) -> None:
    ward.start()
    service = ward.declare()
    pid = ward.reaches(service, "RUNNING").pid
    ward.kill_supervisor()
    elsewhere = copy(ward, service.key, MEDIMGR_NODE="elsewhere")
    stranger = copy(ward, service.key, MEDIMGR_DATA_DIR=str(ward.instance.directory))
    unmarked = ward.instance.start_command(sleeper(), name="unmarked")
    try:
        ward.start()
        ward.reaches(service, "RUNNING", reason="adopted", pid=pid)
        ward.act(service, "restart")  # by now all that was to be ended has been
        assert elsewhere.alive
        assert stranger.alive
        assert unmarked.alive
    finally:
        stranger.kill()


def test_an_unwritten_run_of_a_service_that_is_not_declared_any_more_is_stopped(ward: Ward) -> None:
    forgotten = copy(ward, "forgotten")
    ward.start()
    ward.wait(lambda: not forgotten.alive, "it is ended", timeout=5)
    assert forgotten.returncode == -15


def test_the_journal_forgets_what_has_ended_and_knows_what_came_after_it(ward: Ward) -> None:
    ward.start()
    task = ward.declare(command=["sleep", "0.3"], restart_policy="never")
    stable = ward.declare(stable_seconds=0.1)
    ward.reaches(task, "RUNNING")
    ward.reaches(task, "EXITED")
    ward.wait(lambda: ward.journal(task) is None, "its entry is removed", timeout=5)
    ward.reaches(stable, "RUNNING")
    pid = ward.comes_back(stable, ward.kill(stable)).pid
    written = ward.journal(stable)
    assert written is not None
    assert written.pid == pid
