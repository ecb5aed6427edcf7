"""When a service that starts counts as running: by port, by URL, by a line of its log, by a message."""

from pathlib import Path
from typing import Any

from django.db import transaction

from monitoring.models import Dependency, Service
from tests.monitoring.supervision.ward import Ward, program
from tests.running import free_port


def waits_for(gate: Path, *then: str) -> list[str]:
    """Return a command that does ``then`` once ``gate`` is there, and stays."""
    steps = [f"until [ -e {gate} ]; do sleep 0.02; done", *then, "exec sleep 600"]
    return ["/bin/sh", "-c", "; ".join(steps)]


def still_starting(ward: Ward, service: Service) -> None:
    """Wait until it has a process; it must not count as running although it has been up for long enough."""
    ward.wait(lambda: ward.status(service).pid, "it has a process")
    other = ward.declare(start_seconds=0.2)
    ward.reaches(other, "RUNNING")
    assert ward.status(service).state == "STARTING"


def test_it_runs_once_its_port_accepts(shared_ward: Ward, tmp_path: Path) -> None:
    port = free_port()
    orders = tmp_path / "orders"
    service = shared_ward.declare(
        command=program("health_server", str(port), str(orders)), ready_kind="tcp", ready_port=port
    )
    still_starting(shared_ward, service)
    orders.write_text("500")
    assert shared_ward.reaches(service, "RUNNING").health == "unknown"


def test_it_runs_once_its_url_answers_and_is_watched_by_its_health_check_from_then_on(
    shared_ward: Ward, tmp_path: Path
) -> None:
    ready, alive = free_port(), free_port()
    orders, life = tmp_path / "ready", tmp_path / "alive"
    orders.write_text("503")
    life.write_text("500")
    servers = [
        " ".join(program("health_server", str(port), str(file)))
        for port, file in ((ready, orders), (alive, life))
    ]
    service = shared_ward.declare(
        command=["/bin/sh", "-c", f"{servers[0]} & {servers[1]} & wait"],
        ready_kind="http",
        ready_url=f"http://127.0.0.1:{ready}/",
        health_kind="http",
        health_url=f"http://127.0.0.1:{alive}/",
        health_interval_seconds=0.1,
        health_failures=2,
        health_restart=False,
    )
    still_starting(shared_ward, service)
    orders.write_text("200")
    shared_ward.reaches(service, "RUNNING", health="unhealthy")
    orders.write_text("503")
    life.write_text("200")
    shared_ward.reaches(service, "RUNNING", health="healthy")


def test_it_runs_once_a_line_of_this_very_run_says_so(shared_ward: Ward, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    service = shared_ward.declare(
        command=waits_for(gate, "echo listening on 8001"),
        ready_kind="log",
        ready_pattern=r"listening on \d+$",
        stop_timeout_seconds=0.0,
    )
    still_starting(shared_ward, service)
    gate.touch()
    pid = shared_ward.reaches(service, "RUNNING").pid
    gate.unlink()
    shared_ward.ask(service, "restart")
    shared_ward.wait(lambda: shared_ward.status(service).pid not in (pid, None), "it has been restarted")
    # The line of the run before tells nothing about this one.
    still_starting(shared_ward, service)
    gate.touch()
    shared_ward.reaches(service, "RUNNING")


def test_no_line_in_time_is_a_failed_start(shared_ward: Ward, tmp_path: Path) -> None:
    service = shared_ward.declare(
        command=waits_for(tmp_path / "never"),
        ready_kind="log",
        ready_pattern="listening",
        start_timeout_seconds=0.3,
        backoff_base_seconds=60.0,
    )
    status = shared_ward.reaches(service, "BACKOFF", reason="start-timeout")
    assert status.detail == "Not ready within 0.3 s."


def announcer(directory: Path, **fields: Any) -> dict[str, Any]:
    return {"command": program("announcer", str(directory)), "ready_kind": "notify", **fields}


def test_it_runs_once_it_says_so(shared_ward: Ward, tmp_path: Path) -> None:
    service = shared_ward.declare(**announcer(tmp_path))
    still_starting(shared_ward, service)
    (tmp_path / "READY").touch()
    shared_ward.reaches(service, "RUNNING")


def test_what_depends_on_it_waits_until_it_is_ready(shared_ward: Ward, tmp_path: Path) -> None:
    service = shared_ward.declare(**announcer(tmp_path))
    dependent = shared_ward.declare(needs=(service,))
    shared_ward.reaches(dependent, "WAITING", reason="dependency")
    still_starting(shared_ward, service)
    assert shared_ward.status(dependent).state == "WAITING"
    (tmp_path / "READY").touch()
    shared_ward.reaches(dependent, "RUNNING")


def test_one_that_no_longer_says_that_it_is_well_is_restarted(shared_ward: Ward, tmp_path: Path) -> None:
    for word in ("READY", "WATCHDOG"):
        (tmp_path / word).touch()
    service = shared_ward.declare(
        **announcer(
            tmp_path,
            health_kind="notify",
            health_silence_seconds=0.5,
            health_interval_seconds=0.1,
            health_failures=2,
            stop_timeout_seconds=0.0,
        )
    )
    old = shared_ward.reaches(service, "RUNNING", health="healthy").pid
    (tmp_path / "WATCHDOG").unlink()
    shared_ward.wait(lambda: "RUNNING>STOPPING unhealthy" in shared_ward.history(service), "it is found out")
    (tmp_path / "WATCHDOG").touch()
    assert shared_ward.comes_back(service, old).restarts >= 1


def test_the_next_supervisor_is_told_too(ward: Ward) -> None:
    directory = ward.instance.directory
    ward.start()
    service = ward.declare(
        **announcer(directory, health_kind="notify", health_silence_seconds=2.0, health_interval_seconds=0.1)
    )
    (directory / "READY").touch()
    (directory / "WATCHDOG").touch()
    pid = ward.reaches(service, "RUNNING", health="healthy").pid
    ward.kill_supervisor()
    ward.start()
    status = ward.reaches(service, "RUNNING", health="healthy", reason="adopted")
    assert status.pid == pid
    (directory / "WATCHDOG").unlink()
    ward.comes_back(service, pid)


def test_completed_means_that_it_ended_with_success(shared_ward: Ward, tmp_path: Path) -> None:
    """Scenario 6: completed, with a non-zero exit code first."""
    gate, verdict = tmp_path / "gate", tmp_path / "verdict"
    verdict.write_text("3")
    migration = shared_ward.declare(
        command=["/bin/sh", "-c", f"until [ -e {gate} ]; do sleep 0.02; done; exit $(cat {verdict})"],
        restart_policy="never",
        autostart=False,
    )
    with transaction.atomic():  # nobody sees it without what it needs
        backend = shared_ward.declare(autostart=False)
        Dependency.objects.create(service=backend, needs=migration, condition="completed")
    for service in (migration, backend):
        shared_ward.ask(service, "start")
    shared_ward.reaches(migration, "RUNNING")
    waiting = shared_ward.reaches(backend, "WAITING", reason="dependency")
    assert waiting.detail.startswith(f"waiting for {migration.name}")
    gate.touch()
    shared_ward.reaches(migration, "EXITED", reason="crash")
    shared_ward.reaches(
        backend, "WAITING", detail=f"waiting for {migration.name}, which has ended without success"
    )
    verdict.write_text("0")
    shared_ward.ask(migration, "start")
    shared_ward.reaches(migration, "EXITED", reason="completed")
    shared_ward.reaches(backend, "RUNNING")
