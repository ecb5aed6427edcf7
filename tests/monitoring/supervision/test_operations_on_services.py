"""How an operation on a service goes and ends: truly, with a code for programs and words for people."""

import pytest

from medimgr.events.models import Event
from monitoring.models import Service, Transition
from operations.exceptions import TargetBusy
from operations.lifecycle import request_cancel
from operations.models import Operation
from tests.monitoring.supervision.ward import TESTER, Ward, program

pytestmark = pytest.mark.both_databases


def test_a_start_succeeds_when_it_runs(shared_ward: Ward) -> None:
    service = shared_ward.declare(autostart=False)
    operation = shared_ward.act(service, "start")
    assert (operation.status, operation.progress_done, operation.progress_total) == ("SUCCESS", 1, 1)
    status = shared_ward.status(service)
    assert (status.state, status.intent, status.reason) == ("RUNNING", "up", "operator")
    changes = Transition.objects.filter(service=service, to_state="RUNNING")
    assert [change.operation_id for change in changes] == [operation.pk]


def test_a_start_of_what_runs_succeeds_and_changes_nothing(shared_ward: Ward) -> None:
    service = shared_ward.declare()
    pid = shared_ward.reaches(service, "RUNNING").pid
    assert shared_ward.act(service, "start").status == "SUCCESS"
    assert shared_ward.status(service).pid == pid


def test_a_stop_of_what_is_stopped_succeeds(shared_ward: Ward) -> None:
    service = shared_ward.declare(autostart=False)
    assert shared_ward.act(service, "stop").status == "SUCCESS"


def test_a_start_of_a_missing_program_fails_in_words(shared_ward: Ward) -> None:
    service = shared_ward.declare(command=["/no/such/program"], autostart=False)
    operation = shared_ward.act(service, "start")
    assert (operation.status, operation.error_code) == ("FAILED", "spawn-error")
    assert "/no/such/program" in operation.error_detail
    assert shared_ward.status(service).state == "FATAL"


def test_a_start_that_ends_at_once_fails_and_is_tried_again(shared_ward: Ward) -> None:
    service = shared_ward.declare(command=["sh", "-c", "exit 9"], start_seconds=5.0, autostart=False)
    operation = shared_ward.act(service, "start")
    assert (operation.status, operation.error_code) == ("FAILED", "crash")
    assert operation.error_detail == "Exited with code 9. It is tried again."
    shared_ward.act(service, "stop")


def test_a_start_of_a_task_that_completes_succeeds(shared_ward: Ward) -> None:
    service = shared_ward.declare(
        command=["true"], restart_policy="on-failure", start_seconds=5.0, autostart=False
    )
    assert shared_ward.act(service, "start").status == "SUCCESS"
    assert shared_ward.status(service).reason == "completed"


def test_a_restart_reports_what_it_is_doing(shared_ward: Ward) -> None:
    service = shared_ward.declare(command=program("slow_to_stop", "0.3"))
    pid = shared_ward.reaches(service, "RUNNING").pid
    shared_ward.wait(lambda: "ready" in shared_ward.log(service), "it catches the signal")
    operation = shared_ward.act(service, "restart")
    events = Event.objects.filter(topic="operation", key=str(operation.pk)).order_by("id")
    said = [event.data["progress"]["message"] for event in events]
    assert f"stopping pid {pid}" in said
    assert events.last().data["status"] == "SUCCESS"  # type: ignore[union-attr]


def test_an_operation_on_a_service_that_is_gone_fails_as_such(shared_ward: Ward) -> None:
    service = shared_ward.declare(autostart=False)
    key = service.key
    # Deleted by a query, so that nothing announces it: the operation finds out.
    other = Service.objects.get(pk=service.pk)
    operation = shared_ward.ask(service, "start")
    shared_ward.ended(operation)
    other.delete()
    Operation.objects.filter(pk=operation.pk).delete()
    service.key = key
    shared_ward.wait(lambda: not Service.objects.filter(key=key).exists(), "it is gone")
    shared_ward.wait(lambda: not shared_ward.processes(service), "its process is gone")
    operation = shared_ward.act(service, "start")
    assert (operation.status, operation.error_code) == ("FAILED", "target-gone")


def test_auto_recovery_is_turned_off_and_on(shared_ward: Ward) -> None:
    service = shared_ward.declare()
    shared_ward.reaches(service, "RUNNING")
    assert shared_ward.act(service, "auto-recovery-off").status == "SUCCESS"
    assert not shared_ward.status(service).auto_recovery
    assert shared_ward.act(service, "auto-recovery-on").status == "SUCCESS"
    assert shared_ward.status(service).auto_recovery


def test_a_start_that_waits_says_for_whom_and_can_be_cancelled(shared_ward: Ward) -> None:
    needed = shared_ward.declare(autostart=False, name="Database")
    service = shared_ward.declare(needs=(needed,), autostart=False)
    operation = shared_ward.ask(service, "start")
    shared_ward.wait(
        lambda: "Database" in Operation.objects.get(pk=operation.pk).progress_message, "it says for whom"
    )
    status = shared_ward.reaches(service, "WAITING", reason="dependency")
    assert status.detail == "waiting for Database, which is stopped; start it too"
    request_cancel(Operation.objects.get(pk=operation.pk), TESTER)
    assert shared_ward.ended(operation).status == "CANCELLED"
    assert shared_ward.reaches(service, "STOPPED").intent == "down"


def test_a_stop_takes_the_place_of_a_start_that_waits(shared_ward: Ward) -> None:
    needed = shared_ward.declare(autostart=False)
    service = shared_ward.declare(needs=(needed,), autostart=False)
    start = shared_ward.ask(service, "start")
    shared_ward.reaches(service, "WAITING")
    assert shared_ward.act(service, "stop").status == "SUCCESS"
    assert shared_ward.ended(start).error_code == "superseded"
    assert shared_ward.act(needed, "start").status == "SUCCESS"
    assert shared_ward.runs(service) == []


def test_twenty_restarts_leave_one_instance(shared_ward: Ward) -> None:
    service = shared_ward.declare()
    shared_ward.reaches(service, "RUNNING")
    accepted = []
    for _ in range(20):
        try:
            accepted.append(shared_ward.ask(service, "restart"))
        except TargetBusy:
            continue
    assert accepted
    for operation in accepted:
        assert shared_ward.ended(operation).status == "SUCCESS"
    status = shared_ward.reaches(service, "RUNNING")
    assert [process.pid for process in shared_ward.processes(service)] == [status.pid]
    assert sum(run.ended_at is None for run in shared_ward.runs(service)) == 1


def test_services_stopped_together_stop_in_the_order_of_their_dependencies(shared_ward: Ward) -> None:
    backend = shared_ward.declare(command=program("slow_to_stop", "0.1"))
    frontend = shared_ward.declare(command=program("slow_to_stop", "0.5"), needs=(backend,))
    shared_ward.reaches(frontend, "RUNNING")
    for service in (backend, frontend):
        shared_ward.wait(lambda s=service: "ready" in shared_ward.log(s), "it catches the signal")
    # The needed one is asked for first; it has to wait all the same.
    operations = [shared_ward.ask(service, "stop", batch="all-of-them") for service in (backend, frontend)]
    for operation in operations:
        assert shared_ward.ended(operation).status == "SUCCESS"
    ended = {
        run.service_key: run.ended_at for run in [*shared_ward.runs(backend), *shared_ward.runs(frontend)]
    }
    assert ended[frontend.key] <= ended[backend.key]  # type: ignore[operator]


def test_services_restarted_together_come_up_in_the_order_of_their_dependencies(shared_ward: Ward) -> None:
    backend = shared_ward.declare()
    frontend = shared_ward.declare(needs=(backend,))
    shared_ward.reaches(frontend, "RUNNING")
    operations = [shared_ward.ask(service, "restart", batch="both") for service in (frontend, backend)]
    for operation in operations:
        assert shared_ward.ended(operation).status == "SUCCESS"
    assert len(shared_ward.runs(backend)) == len(shared_ward.runs(frontend)) == 2
    assert shared_ward.runs(backend)[-1].started_at <= shared_ward.runs(frontend)[-1].started_at
