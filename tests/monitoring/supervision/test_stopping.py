"""A stop asks first, kills what does not listen, and says STOPPED only once nothing is left."""

import os
import signal
import time

import pytest

from tests.monitoring.supervision.ward import Ward, program
from tests.running import free_port


def test_a_stop_ends_it_and_it_stays_ended(shared_ward: Ward) -> None:
    service = shared_ward.declare()
    shared_ward.reaches(service, "RUNNING")
    operation = shared_ward.act(service, "stop")
    assert (operation.status, operation.error_code) == ("SUCCESS", "")
    status = shared_ward.status(service)
    assert (status.state, status.intent, status.reason, status.pid) == ("STOPPED", "down", "operator", None)
    assert shared_ward.processes(service) == []
    (run,) = shared_ward.runs(service)
    assert (run.exit_signal, run.end_reason) == ("SIGTERM", "operator")


def test_a_child_that_ignores_the_signal_is_killed_before_it_counts_as_stopped(shared_ward: Ward) -> None:
    """Scenario 8."""
    service = shared_ward.declare(command=program("stubborn"), stop_timeout_seconds=30.0)
    shared_ward.reaches(service, "RUNNING")
    shared_ward.wait(lambda: shared_ward.log(service).strip(), "the child is there")
    child = int(shared_ward.log(service))
    shared_ward.act(service, "stop")
    assert shared_ward.status(service).state == "STOPPED"
    assert child not in {process.pid for process in shared_ward.processes(service)}
    assert shared_ward.processes(service) == []


@pytest.mark.parametrize("how", ["setsid", "daemon"])
def test_a_child_that_escaped_its_group_is_swept(shared_ward: Ward, how: str) -> None:
    """Scenario 9."""
    service = shared_ward.declare(command=program("escapee", how))
    shared_ward.reaches(service, "RUNNING")
    shared_ward.wait(lambda: shared_ward.log(service).strip(), "the child has escaped")
    shared_ward.act(service, "stop")
    assert shared_ward.processes(service) == []


def test_what_does_not_stop_in_time_is_killed_and_the_history_says_so(shared_ward: Ward) -> None:
    service = shared_ward.declare(command=program("slow_to_stop", "60"), stop_timeout_seconds=0.3)
    shared_ward.reaches(service, "RUNNING")
    shared_ward.wait(lambda: "ready" in shared_ward.log(service), "it catches the signal")
    assert shared_ward.act(service, "stop").status == "SUCCESS"
    status = shared_ward.status(service)
    assert (status.state, status.reason) == ("STOPPED", "stop-timeout")
    assert "0.3 s" in status.detail
    assert shared_ward.runs(service)[0].exit_signal == "SIGKILL"


def test_force_kills_at_once(shared_ward: Ward) -> None:
    """Scenario 11."""
    service = shared_ward.declare(command=program("slow_to_stop", "60"), stop_timeout_seconds=60.0)
    shared_ward.reaches(service, "RUNNING")
    shared_ward.wait(lambda: "ready" in shared_ward.log(service), "it catches the signal")
    assert shared_ward.act(service, "stop", force=True).status == "SUCCESS"


def test_a_second_stop_with_force_kills_while_the_first_still_asks(shared_ward: Ward) -> None:
    service = shared_ward.declare(command=program("slow_to_stop", "60"), stop_timeout_seconds=60.0)
    shared_ward.reaches(service, "RUNNING")
    shared_ward.wait(lambda: "ready" in shared_ward.log(service), "it catches the signal")
    first = shared_ward.ask(service, "stop")
    shared_ward.reaches(service, "STOPPING")
    assert shared_ward.act(service, "stop", force=True).status == "SUCCESS"
    assert shared_ward.ended(first).error_code == "superseded"


def test_a_suspended_service_can_be_stopped(shared_ward: Ward) -> None:
    """Scenario 11."""
    service = shared_ward.declare(stop_timeout_seconds=30.0)
    pid = shared_ward.reaches(service, "RUNNING").pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    shared_ward.act(service, "stop")
    assert shared_ward.runs(service)[0].exit_signal == "SIGTERM"


def test_the_stop_signal_is_the_declared_one(shared_ward: Ward) -> None:
    service = shared_ward.declare(stop_signal="SIGINT")
    shared_ward.reaches(service, "RUNNING")
    shared_ward.act(service, "stop")
    assert shared_ward.runs(service)[0].exit_signal == "SIGINT"


def test_a_stop_during_backoff_ends_the_retries(shared_ward: Ward) -> None:
    service = shared_ward.declare(command=["false"], backoff_base_seconds=30.0)
    shared_ward.reaches(service, "BACKOFF")
    assert shared_ward.act(service, "stop").status == "SUCCESS"
    assert shared_ward.status(service).state == "STOPPED"
    assert len(shared_ward.runs(service)) == 1


def test_a_start_while_stopping_starts_a_new_process_afterwards(shared_ward: Ward) -> None:
    service = shared_ward.declare(command=program("slow_to_stop", "0.4"))
    old = shared_ward.reaches(service, "RUNNING").pid
    shared_ward.wait(lambda: "ready" in shared_ward.log(service), "it catches the signal")
    stop = shared_ward.ask(service, "stop")
    shared_ward.reaches(service, "STOPPING")
    start = shared_ward.act(service, "start")
    assert start.status == "SUCCESS"
    status = shared_ward.status(service)
    assert (status.state, status.intent) == ("RUNNING", "up")
    assert status.pid != old
    assert shared_ward.ended(stop).error_code == "superseded"


def test_a_restart_gives_another_process_and_never_two(shared_ward: Ward) -> None:
    service = shared_ward.declare()
    old = shared_ward.reaches(service, "RUNNING").pid
    assert shared_ward.act(service, "restart").status == "SUCCESS"
    status = shared_ward.status(service)
    assert (status.state, status.restarts) == ("RUNNING", 0)
    assert status.pid != old
    assert [process.pid for process in shared_ward.processes(service)] == [status.pid]
    assert shared_ward.history(service)[-4:] == [
        "RUNNING>STOPPING operator",
        "STOPPING>WAITING operator",
        "WAITING>STARTING operator",
        "STARTING>RUNNING operator",
    ]


def test_the_port_is_free_again_for_the_restarted_process(shared_ward: Ward) -> None:
    port = free_port()
    orders = shared_ward.instance.directory / "orders"
    orders.write_text("200")
    service = shared_ward.declare(
        command=program("health_server", str(port), str(orders)),
        ports=[port],
        health_kind="tcp",
        health_port=port,
    )
    shared_ward.reaches(service, "RUNNING")
    for _ in range(3):
        assert shared_ward.act(service, "restart").status == "SUCCESS"
    assert not any("port-busy" in line for line in shared_ward.history(service))


def test_request_to_signal_takes_well_under_a_second(shared_ward: Ward) -> None:
    service = shared_ward.declare()
    shared_ward.reaches(service, "RUNNING")
    began = time.monotonic()
    shared_ward.act(service, "stop")
    assert time.monotonic() - began < 2.0
