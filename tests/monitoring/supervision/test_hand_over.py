"""A planned end with --leave-running: the services go on untouched, and the next supervisor has them."""

import signal
from datetime import timedelta

import httpx
import psutil
import pytest

from medimgr.events.models import Event
from monitoring.models import Node, Service
from monitoring.snapshot import services_snapshot
from operations.models import Operation
from tests.monitoring.supervision.ward import Ward, program
from tests.running import RunningProcess, free_port


def leave(ward: Ward, number: int = signal.SIGTERM) -> None:
    """End the supervisor as an upgrade does."""
    ward.running().signal(number)
    assert ward.running().wait(15) == 0, ward.running().output()


@pytest.mark.both_databases
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_upgrade_of_medimgr_touches_no_service(ward: Ward, number: int) -> None:
    ward.start("supervise", "--leave-running")
    services = [ward.declare() for _ in range(3)]
    task = ward.declare(command=["true"], restart_policy="on-failure")
    pids = [ward.reaches(service, "RUNNING").pid for service in services]
    ward.reaches(task, "EXITED")
    history = ward.history(services[0])
    leave(ward, number)
    assert "the services go on" in ward.running().output()
    assert all(psutil.pid_exists(pid or 0) for pid in pids)
    assert ward.history(services[0]) == history
    ward.start("supervise", "--leave-running")
    for service, pid in zip(services, pids, strict=True):
        status = ward.reaches(service, "RUNNING", reason="adopted")
        assert (status.pid, status.restarts) == (pid, 0)
        assert len(ward.runs(service)) == 1
    # It is no fresh start: what had ended by itself stays so.
    assert len(ward.runs(task)) == 1


def test_the_default_stays_to_stop_everything(ward: Ward) -> None:
    ward.start()
    service = ward.declare()
    ward.reaches(service, "RUNNING")
    assert ward.running().stop() == 0
    assert ward.processes(service) == []
    assert Node.objects.get().handed_over_at is None


def test_the_node_says_so_and_nobody_is_alarmed_for_a_minute(ward: Ward) -> None:
    ward.start("supervise", "--leave-running")
    service = ward.declare()
    ward.reaches(service, "RUNNING")
    leave(ward)
    node = Node.objects.get()
    assert node.handed_over_at is not None
    assert node.supervisor_pid is None
    told = Event.objects.filter(topic="node").latest("id").data
    assert (told["supervised"], told["supervisor_pid"]) == (True, None)
    assert told["handed_over_at"]
    (item,) = services_snapshot()["items"]
    assert item["state"] == "RUNNING"
    # Whoever was to come has not come.
    Node.objects.update(handed_over_at=node.handed_over_at - timedelta(seconds=61))
    (item,) = services_snapshot()["items"]
    assert item["state"] == "UNKNOWN"
    ward.start()
    assert Node.objects.get().handed_over_at is None


def test_further_signals_are_harmless(ward: Ward) -> None:
    ward.start("supervise", "--leave-running")
    services = [ward.declare() for _ in range(5)]
    pids = [ward.reaches(service, "RUNNING").pid for service in services]
    supervisor = ward.running()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
        if supervisor.alive:
            supervisor.signal(number)
    while supervisor.alive and (Node.objects.get().handed_over_at is None):
        supervisor.signal(signal.SIGTERM)
    assert supervisor.wait(10) in (0, -signal.SIGTERM)  # Python itself puts the default back at its very end
    assert Node.objects.get().handed_over_at is not None
    assert all(psutil.pid_exists(pid or 0) for pid in pids)


def test_an_operation_under_way_fails_with_a_word_and_is_carried_on(ward: Ward) -> None:
    ward.start("supervise", "--leave-running")
    service = ward.declare(command=program("slow_to_stop", "1"), stop_timeout_seconds=20.0)
    old = ward.reaches(service, "RUNNING").pid
    ward.wait(lambda: "ready" in ward.log(service), "it catches the signal")
    operation = ward.ask(service, "restart")
    ward.reaches(service, "STOPPING")
    leave(ward)
    ended = Operation.objects.get(pk=operation.pk)
    assert (ended.status, ended.error_code) == ("FAILED", "handed-over")
    assert "next one" in ended.error_detail
    # One that comes meanwhile waits for the successor.
    other = ward.declare(autostart=False)
    waiting = ward.ask(other, "start")
    assert Operation.objects.get(pk=waiting.pk).status == "PENDING"
    ward.start()
    ward.comes_back(service, old)
    assert len(ward.processes(service)) == 1
    assert ward.ended(waiting).status == "SUCCESS"


def test_the_hang_up_signal_reads_the_declarations_again(ward: Ward) -> None:
    ward.start()
    service = ward.declare()
    pid = ward.reaches(service, "RUNNING").pid
    Service.objects.filter(pk=service.pk).update(env={"MODE": "unannounced"})
    ward.running().signal(signal.SIGHUP)
    assert ward.reaches(service, "RUNNING", needs_restart=True, timeout=5).pid == pid


def test_up_leaves_the_web_workers_to_the_next_up(ward: Ward) -> None:
    port = free_port()

    def up() -> RunningProcess:
        started = ward.start("up", "--bind", f"127.0.0.1:{port}", "--leave-running")
        ward.wait(lambda: "medimgr is up" in started.output() or not started.alive, "it is up", 40)
        return started

    service = ward.declare()
    up()
    pids = {key: ward.reaches(one, "RUNNING").pid for key, one in _all_services().items()}
    assert service.key in pids
    Service.objects.filter(pk=service.pk).update(env={"MODE": "unannounced"})
    ward.running().signal(signal.SIGHUP)
    ward.reaches(service, "RUNNING", needs_restart=True, timeout=5)
    leave(ward)
    assert httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
    up()
    found = {key: ward.reaches(one, "RUNNING", reason="adopted").pid for key, one in _all_services().items()}
    assert found == pids
    assert httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200


def _all_services() -> dict[str, Service]:
    return {service.key: service for service in Service.objects.all()}
