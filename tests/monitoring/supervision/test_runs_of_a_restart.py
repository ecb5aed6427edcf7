"""Each life of a process is told by a row of its own: an end never lands on the run that came after."""

import pytest

from monitoring.models import Run
from tests.monitoring.supervision.ward import Ward

pytestmark = pytest.mark.both_databases


def ends_in_order(runs: list[Run]) -> None:
    """Assert that all but the newest run have ended, before the next began, and that the newest lives."""
    *ended, newest = runs
    assert (newest.ended_at, newest.exit_code, newest.exit_signal) == (None, None, "")
    for run, following in zip(ended, runs[1:], strict=True):
        assert run.ended_at is not None
        assert run.started_at <= run.ended_at <= following.started_at
        assert run.exit_source == "wait"


def test_a_restart_ends_the_old_run_and_opens_a_new_one(shared_ward: Ward) -> None:
    service = shared_ward.declare()
    old = shared_ward.reaches(service, "RUNNING").pid
    shared_ward.act(service, "restart")
    new = shared_ward.comes_back(service, old).pid
    first, second = shared_ward.runs(service)
    ends_in_order([first, second])
    assert (first.pid, first.exit_signal, first.end_reason) == (old, "SIGTERM", "operator")
    assert (second.pid, second.reason) == (new, "operator")


def test_many_restarts_keep_every_end_with_its_run(shared_ward: Ward) -> None:
    service = shared_ward.declare()
    shared_ward.reaches(service, "RUNNING")
    for _ in range(5):
        assert shared_ward.act(service, "restart").status == "SUCCESS"
    runs = shared_ward.runs(service)
    assert len(runs) == 6
    ends_in_order(runs)
    assert len({run.pid for run in runs}) == 6


def test_crashes_and_restarts_that_mix_keep_every_end_with_its_run(shared_ward: Ward) -> None:
    service = shared_ward.declare(backoff_base_seconds=0.01, backoff_cap_seconds=0.1)
    shared_ward.reaches(service, "RUNNING")
    for _ in range(3):
        shared_ward.comes_back(service, shared_ward.kill(service))
        assert shared_ward.act(service, "restart").status == "SUCCESS"
    runs = shared_ward.runs(service)
    assert len(runs) == 7
    ends_in_order(runs)
    assert [run.exit_signal for run in runs] == ["SIGKILL", "SIGTERM"] * 3 + [""]


def test_an_operation_that_succeeded_has_no_progress_left_to_tell(shared_ward: Ward) -> None:
    service = shared_ward.declare()
    shared_ward.reaches(service, "RUNNING")
    operation = shared_ward.act(service, "restart")
    assert (operation.progress_done, operation.progress_total) == (1, 1)
    assert operation.progress_message == ""
