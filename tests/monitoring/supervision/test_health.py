"""What the probes say, and what follows from it."""

from pathlib import Path
from typing import Any

from monitoring.models import Service
from tests.monitoring.supervision.ward import Ward, program
from tests.running import free_port


class Server:
    """A service whose health is what a file says."""

    def __init__(self, ward: Ward, directory: Path, **fields: Any) -> None:
        self.orders = directory / "orders"
        self.port = free_port()
        self.fields = {
            "command": program("health_server", str(self.port), str(self.orders)),
            "health_kind": "http",
            "health_url": f"http://127.0.0.1:{self.port}/",
            "health_interval_seconds": 0.1,
            "health_timeout_seconds": 0.3,
            "health_failures": 3,
            "stop_timeout_seconds": 0.5,
            "backoff_base_seconds": 0.05,
            **fields,
        }
        self.ward = ward

    def declare(self, says: str = "200") -> Service:
        if says:
            self.orders.write_text(says)
        return self.ward.declare(**self.fields)


def test_it_runs_from_its_first_good_answer_on(shared_ward: Ward, tmp_path: Path) -> None:
    server = Server(shared_ward, tmp_path)
    service = server.declare(says="")
    shared_ward.wait(lambda: shared_ward.status(service).detail, "the probe's words show")
    assert shared_ward.status(service).state == "STARTING"
    server.orders.write_text("200")
    status = shared_ward.reaches(service, "RUNNING")
    assert (status.health, status.detail) == ("healthy", "")


def test_not_healthy_in_time_is_a_failed_start(shared_ward: Ward, tmp_path: Path) -> None:
    server = Server(
        shared_ward, tmp_path, start_timeout_seconds=0.4, autostart=False, backoff_base_seconds=60.0
    )
    service = server.declare(says="503")
    operation = shared_ward.act(service, "start")
    assert (operation.status, operation.error_code) == ("FAILED", "start-timeout")
    assert "503" in operation.error_detail
    assert shared_ward.processes(service) == []


def test_unhealthy_for_long_enough_is_restarted(shared_ward: Ward, tmp_path: Path) -> None:
    server = Server(shared_ward, tmp_path)
    service = server.declare()
    old = shared_ward.reaches(service, "RUNNING", health="healthy").pid
    server.orders.write_text("500")
    shared_ward.reaches(service, "STARTING", reason="unhealthy")
    server.orders.write_text("200")
    status = shared_ward.comes_back(service, old)
    assert (status.health, status.restarts) == ("healthy", 1)
    assert shared_ward.runs(service)[0].end_reason == "unhealthy"


def test_a_service_that_accepts_and_never_answers_is_hung(shared_ward: Ward, tmp_path: Path) -> None:
    server = Server(shared_ward, tmp_path)
    service = server.declare()
    old = shared_ward.reaches(service, "RUNNING").pid
    server.orders.write_text("hang")
    shared_ward.reaches(service, "STARTING", reason="hung")
    server.orders.write_text("200")
    shared_ward.comes_back(service, old)
    assert "RUNNING>STOPPING hung" in shared_ward.history(service)


def test_unhealthy_without_restart_is_shown_and_left_running(shared_ward: Ward, tmp_path: Path) -> None:
    server = Server(shared_ward, tmp_path, health_restart=False)
    service = server.declare()
    pid = shared_ward.reaches(service, "RUNNING", health="healthy").pid
    server.orders.write_text("500")
    status = shared_ward.reaches(service, "RUNNING", health="unhealthy")
    assert "500" in status.detail
    server.orders.write_text("200")
    assert shared_ward.reaches(service, "RUNNING", health="healthy").pid == pid


def test_a_slow_probe_does_not_delay_a_crash_being_seen(shared_ward: Ward, tmp_path: Path) -> None:
    slow = Server(shared_ward, tmp_path, health_timeout_seconds=30.0, health_failures=100)
    hanging = slow.declare()
    shared_ward.reaches(hanging, "RUNNING")
    slow.orders.write_text("hang")
    other = shared_ward.declare(backoff_base_seconds=0.01)
    shared_ward.reaches(other, "RUNNING")
    shared_ward.comes_back(other, shared_ward.kill(other), timeout=5)
    # Nor does it stand in the way of the hanging service's own stop.
    assert shared_ward.act(hanging, "stop").status == "SUCCESS"
