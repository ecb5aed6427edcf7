"""What ends unasked comes back, as its declaration says, and never twice."""

import itertools
import os
import signal
import time
from pathlib import Path

import pytest

from medimgr.events.models import Event, Tick
from monitoring.models import Service, Transition
from tests.monitoring.supervision.ward import Ward, program

pytestmark = pytest.mark.both_databases


def test_a_service_that_is_killed_comes_back_once(shared_ward: Ward) -> None:
    service = shared_ward.declare(backoff_base_seconds=0.05)
    shared_ward.reaches(service, "RUNNING")
    old = shared_ward.kill(service)
    status = shared_ward.comes_back(service, old)
    assert (status.reason, status.restarts, status.intent) == ("crash", 1, "up")
    assert [p.pid for p in shared_ward.processes(service)] == [status.pid]
    first, second = shared_ward.runs(service)
    assert (first.pid, first.exit_signal, first.exit_source) == (old, "SIGKILL", "wait")
    assert (first.end_reason, first.ended_at is not None, first.ready_at is not None) == ("crash", True, True)
    assert (second.pid, second.reason, second.ended_at) == (status.pid, "crash", None)


def test_after_a_stable_time_it_comes_back_at_once(shared_ward: Ward) -> None:
    service = shared_ward.declare(stable_seconds=0.1, backoff_base_seconds=30.0)
    shared_ward.reaches(service, "RUNNING")
    time.sleep(0.3)  # it has to have been up for that long: nothing to wait for
    began = time.monotonic()
    shared_ward.comes_back(service, shared_ward.kill(service))
    assert time.monotonic() - began < 5
    assert "RUNNING>WAITING crash" in shared_ward.history(service)
    assert not any("BACKOFF" in line for line in shared_ward.history(service))


def test_each_failed_start_waits_longer_than_the_one_before(shared_ward: Ward) -> None:
    service = shared_ward.declare(command=["false"], backoff_base_seconds=0.1, start_seconds=5.0)
    shared_ward.wait(lambda: len(shared_ward.runs(service)) >= 4, "four tries")
    starts = [run.started_at for run in shared_ward.runs(service)][:4]
    gaps = [(later - earlier).total_seconds() for earlier, later in itertools.pairwise(starts)]
    assert gaps[0] >= 0.09
    assert gaps[1] >= 0.18
    assert gaps[2] >= 0.36
    status = shared_ward.reaches(service, "BACKOFF")
    assert (status.reason, status.detail) == ("crash", "exited with code 1")
    shared_ward.act(service, "stop")


@pytest.mark.parametrize(
    ("policy", "code", "reason"),
    [
        ("never", 3, "crash"),
        ("never", 0, "completed"),
        ("on-failure", 0, "completed"),
        ("on-failure", 7, "completed"),
    ],
)
def test_the_restart_policy_leaves_it_ended(shared_ward: Ward, policy: str, code: int, reason: str) -> None:
    """Scenario 13."""
    service = shared_ward.declare(
        command=["sh", "-c", f"exit {code}"], restart_policy=policy, success_exit_codes=[0, 7]
    )
    status = shared_ward.reaches(service, "EXITED", reason=reason)
    assert (status.pid, status.intent) == (None, "up")
    (run,) = shared_ward.runs(service)
    assert (run.exit_code, run.exit_signal, run.exit_source) == (code, "", "wait")


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGTERM", "SIGHUP"])
def test_a_death_by_signal_is_a_failure_and_is_named(shared_ward: Ward, name: str) -> None:
    """Scenario 13."""
    service = shared_ward.declare(restart_policy="never")
    pid = shared_ward.reaches(service, "RUNNING").pid
    assert pid is not None
    os.kill(pid, signal.Signals[name])
    status = shared_ward.reaches(service, "EXITED")
    assert (status.reason, status.detail) == ("crash", f"killed by {name}")


def test_too_many_failures_turn_auto_recovery_off_until_it_is_turned_on(
    shared_ward: Ward, tmp_path: Path
) -> None:
    mended = tmp_path / "mended"
    service = shared_ward.declare(
        command=["sh", "-c", f"test -e {mended} && exec sleep 600"],
        max_failures=3,
        backoff_base_seconds=0.02,
    )
    status = shared_ward.reaches(service, "FATAL")
    assert (status.reason, status.auto_recovery) == ("auto-recovery-off", False)
    assert len(shared_ward.runs(service)) == 3
    assert "3 times" in status.detail
    mended.touch()
    assert shared_ward.act(service, "auto-recovery-on").status == "SUCCESS"
    assert shared_ward.reaches(service, "RUNNING").auto_recovery


def test_without_auto_recovery_it_stays_down(shared_ward: Ward) -> None:
    service = shared_ward.declare(backoff_base_seconds=0.01)
    shared_ward.reaches(service, "RUNNING")
    assert shared_ward.act(service, "auto-recovery-off").status == "SUCCESS"
    shared_ward.kill(service)
    status = shared_ward.reaches(service, "EXITED")
    assert (status.reason, status.detail, status.auto_recovery) == ("crash", "killed by SIGKILL", False)


def test_what_a_crash_leaves_behind_is_gone_before_the_new_process_runs(shared_ward: Ward) -> None:
    service = shared_ward.declare(
        command=program("escapee", "daemon"), stable_seconds=0.1, backoff_base_seconds=0.05
    )
    shared_ward.reaches(service, "RUNNING")
    shared_ward.wait(lambda: len(shared_ward.processes(service)) == 2, "the daemon has escaped")
    old = {process.pid for process in shared_ward.processes(service)}
    shared_ward.comes_back(service, shared_ward.kill(service))
    shared_ward.wait(lambda: len(shared_ward.processes(service)) == 2, "the next daemon has escaped")
    assert not old & {process.pid for process in shared_ward.processes(service)}


def test_every_change_is_an_event_with_the_changed_fields_alone(shared_ward: Ward) -> None:
    service = shared_ward.declare()
    shared_ward.reaches(service, "RUNNING")
    shared_ward.act(service, "stop")
    events = [e.data for e in Event.objects.filter(topic="service", key=service.key).order_by("id")]
    assert events[0] == {"declared": True, "name": service.name}
    told: dict[str, object] = {}
    for data in events[1:]:
        assert data, "an event about nothing"
        assert all(told.get(name, ...) != value for name, value in data.items()), "told twice"
        told |= data
    status = shared_ward.status(service).public()
    assert {name: status[name] for name in told} == told
    assert told["state"] == "STOPPED"
    assert told["pid"] is None


def test_history_is_in_order_and_without_gaps(shared_ward: Ward) -> None:
    service = shared_ward.declare(backoff_base_seconds=0.01, backoff_cap_seconds=0.1)
    for _ in range(3):
        shared_ward.comes_back(service, shared_ward.kill(service) if shared_ward.runs(service) else None)
        shared_ward.reaches(service, "RUNNING")
    rows = list(Transition.objects.filter(service=service).order_by("id"))
    assert rows[0].from_state == "STOPPED"
    for earlier, later in itertools.pairwise(rows):
        assert earlier.to_state == later.from_state
        assert earlier.at <= later.at


def test_its_log_has_what_it_wrote_and_each_run_knows_where_it_begins(shared_ward: Ward) -> None:
    service = shared_ward.declare(
        command=["sh", "-c", "echo run $MEDIMGR_RUN_ID; exec sleep 600"], backoff_base_seconds=0.01
    )
    shared_ward.reaches(service, "RUNNING")
    shared_ward.comes_back(service, shared_ward.kill(service))
    shared_ward.wait(lambda: shared_ward.log(service).count("\n") == 2, "two lines")
    text = shared_ward.log(service)
    for run in shared_ward.runs(service):
        assert text[run.log_offset :].startswith(f"run {run.run_id}")


def test_the_tick_has_its_cpu_and_memory(shared_ward: Ward) -> None:
    service = shared_ward.declare(command=["sh", "-c", "while :; do :; done"])
    shared_ward.reaches(service, "RUNNING")

    def figures() -> list[float]:
        return list(Tick.objects.get().data.get(service.key, []))

    shared_ward.wait(lambda: figures() and figures()[0] > 5, "it is seen to be busy")
    assert figures()[1] > 0
    shared_ward.act(service, "stop", force=True)
    shared_ward.wait(lambda: not figures(), "it is not measured any more")


def test_services_that_die_together_all_come_back(shared_ward: Ward) -> None:
    services = [shared_ward.declare(stable_seconds=0.1) for _ in range(12)]
    for service in services:
        shared_ward.reaches(service, "RUNNING")
    time.sleep(0.3)  # as above: they have to have been up for that long
    old = {service: shared_ward.kill(service) for service in services}
    for service in services:
        status = shared_ward.comes_back(service, old[service])
        assert status.restarts == 1
    assert Service.objects.filter(pk__in=[s.pk for s in services], status__state="RUNNING").count() == 12
