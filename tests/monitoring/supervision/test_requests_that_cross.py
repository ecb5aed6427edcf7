"""Requests of several people about one service, at the same moment and one after the other."""

import itertools
from collections.abc import Callable
from datetime import timedelta

import pytest

from monitoring.actions import Verb, request_action
from monitoring.models import Run, Service
from operations.exceptions import TargetBusy
from operations.models import Operation
from operations.requester import Requester
from tests.monitoring.supervision.ward import Ward, program, sleeper
from tests.operations.asking import together

pytestmark = pytest.mark.both_databases

ALICE = Requester(name="alice", source="page")
BERTA = Requester(name="berta", source="page")


def asking(ward: Ward, service: Service, verb: Verb, who: Requester) -> Callable[[], Operation]:
    """Return what asks for it in a thread of its own, with a connection of its own."""

    def ask() -> Operation:
        with ward.instance.database():
            return request_action(Service.objects.get(pk=service.pk), verb, who)

    return ask


def one_instance(ward: Ward, service: Service) -> list[Run]:
    """Assert that exactly one process of it lives, the one that its status and its one open run name."""
    status = ward.reaches(service, "RUNNING")
    assert [process.pid for process in ward.processes(service)] == [status.pid]
    runs = ward.runs(service)
    assert [run.pid for run in runs if run.ended_at is None] == [status.pid]
    for earlier, later in itertools.pairwise(runs):
        assert earlier.ended_at is not None
        assert earlier.ended_at <= later.started_at
    return runs


def test_twenty_restarts_at_the_same_moment_make_one_new_process(shared_ward: Ward) -> None:
    """Scenario 4: behind a barrier; one is accepted, and one generation follows."""
    service = shared_ward.declare(command=program("slow_to_stop", "1.5"))
    shared_ward.reaches(service, "RUNNING")
    shared_ward.wait(lambda: "ready" in shared_ward.log(service), "it catches the signal")
    asked = together(*[asking(shared_ward, service, "restart", ALICE) for _ in range(20)])
    accepted = [one for one in asked if isinstance(one, Operation)]
    assert len(accepted) == 1
    assert all(isinstance(one, TargetBusy) for one in asked if one not in accepted)
    assert shared_ward.ended(accepted[0]).status == "SUCCESS"
    assert len(one_instance(shared_ward, service)) == 2


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_a_stop_and_a_restart_at_the_same_moment_end_with_the_stop(shared_ward: Ward, turn: int) -> None:
    """Scenario 26: whoever comes first, a stop is not undone by a restart that was asked for with it."""
    service = shared_ward.declare(f"contested-{turn}", command=program("slow_to_stop", "0.2"))
    shared_ward.reaches(service, "RUNNING")
    shared_ward.wait(lambda: "ready" in shared_ward.log(service), "it catches the signal")
    stop, restart = together(
        asking(shared_ward, service, "stop", ALICE), asking(shared_ward, service, "restart", BERTA)
    )
    ended = {}
    for name, one in (("stop", stop), ("restart", restart)):
        if isinstance(one, Operation):
            ended[name] = shared_ward.ended(one)
        else:
            assert isinstance(one, TargetBusy), one
    assert "stop" in ended
    assert Operation.objects.active().count() == 0
    if ended["stop"].status == "SUCCESS":
        # The restart came first and gave way, or came later and was refused.
        assert shared_ward.reaches(service, "STOPPED").intent == "down"
        assert shared_ward.processes(service) == []
        assert "restart" not in ended or ended["restart"].error_code == "superseded"
    else:
        # The stop still waited to be claimed when the restart replaced it (MediVote's rule).
        assert ended["stop"].error_code == "superseded"
        assert ended["restart"].requester in ended["stop"].error_detail
        one_instance(shared_ward, service)


def test_an_operation_on_a_service_that_is_deleted_meanwhile_ends_as_such(shared_ward: Ward) -> None:
    """Scenario 26: an operation for a deleted service."""
    service = shared_ward.declare(command=program("slow_to_stop", "0.5"))
    shared_ward.reaches(service, "RUNNING")
    shared_ward.wait(lambda: "ready" in shared_ward.log(service), "it catches the signal")
    operation = shared_ward.ask(service, "restart")
    shared_ward.reaches(service, "STOPPING")
    Service.objects.get(pk=service.pk).delete()
    ended = shared_ward.ended(operation)
    assert (ended.status, ended.error_code) == ("FAILED", "target-gone")
    shared_ward.wait(lambda: not shared_ward.processes(service), "its process has ended")


def test_what_is_edited_while_it_runs_is_applied_or_shown_as_pending_and_restarts_nothing(
    shared_ward: Ward,
) -> None:
    """Scenario 26: config edited while running."""
    service = shared_ward.declare()
    pid = shared_ward.reaches(service, "RUNNING").pid
    service.command, service.restart_policy = ["sleep", "601"], "never"
    service.save()
    assert shared_ward.reaches(service, "RUNNING", needs_restart=True).pid == pid
    assert [process.cmdline() for process in shared_ward.processes(service)] == [sleeper()]
    # The restart policy, unlike the command, is in force already.
    shared_ward.kill(service)
    assert shared_ward.reaches(service, "EXITED").reason == "crash"
    assert len(shared_ward.runs(service)) == 1


# --- a second stop --------------------------------------------------------------------------------


def hangs_on(ward: Ward) -> Service:
    """Declare a service that takes a minute to stop, and wait until it would."""
    service = ward.declare(command=program("slow_to_stop", "60"), stop_timeout_seconds=60.0)
    ward.reaches(service, "RUNNING")
    ward.wait(lambda: "ready" in ward.log(service), "it catches the signal")
    return service


def test_a_second_stop_of_what_is_stopping_kills_it(shared_ward: Ward) -> None:
    """Scenario 11: stop twice = kill now; the first ends superseded, the second does it."""
    service = hangs_on(shared_ward)
    first = shared_ward.ask(service, "stop")
    shared_ward.reaches(service, "STOPPING")
    second = shared_ward.act(service, "stop", timeout=5)
    assert second.status == "SUCCESS"
    assert second.finished_at is not None
    assert second.finished_at - second.created_at < timedelta(seconds=5)
    ended = shared_ward.ended(first)
    assert (ended.status, ended.error_code) == ("CANCELLED", "superseded")
    assert "tester" in ended.error_detail
    assert shared_ward.status(service).state == "STOPPED"
    assert [run.exit_signal for run in shared_ward.runs(service)] == ["SIGKILL"]
    assert shared_ward.processes(service) == []


def test_a_first_stop_in_the_middle_of_a_restart_asks_and_does_not_kill(shared_ward: Ward) -> None:
    service = shared_ward.declare(command=program("slow_to_stop", "0.6"))
    shared_ward.reaches(service, "RUNNING")
    shared_ward.wait(lambda: "ready" in shared_ward.log(service), "it catches the signal")
    restart = shared_ward.ask(service, "restart")
    shared_ward.reaches(service, "STOPPING")
    assert shared_ward.act(service, "stop").status == "SUCCESS"
    assert shared_ward.ended(restart).error_code == "superseded"
    assert [(run.exit_signal, run.exit_code) for run in shared_ward.runs(service)] == [("", 0)]


def test_a_second_stop_of_what_waits_for_others_waits_too(shared_ward: Ward) -> None:
    backend = shared_ward.declare()
    frontend = shared_ward.declare(command=program("slow_to_stop", "0.6"), needs=(backend,))
    shared_ward.reaches(frontend, "RUNNING")
    shared_ward.wait(lambda: "ready" in shared_ward.log(frontend), "it catches the signal")
    shared_ward.ask(frontend, "stop", batch="both")
    first = shared_ward.ask(backend, "stop", batch="both")
    shared_ward.wait(
        lambda: "waiting for" in Operation.objects.get(pk=first.pk).progress_message, "it waits for its turn"
    )
    assert shared_ward.act(backend, "stop").status == "SUCCESS"
    assert shared_ward.ended(first).error_code == "superseded"
    (front,), (back,) = shared_ward.runs(frontend), shared_ward.runs(backend)
    assert front.ended_at is not None
    assert back.ended_at is not None
    assert front.ended_at <= back.ended_at
    assert back.exit_signal == "SIGTERM"


# --- a restart of what waits ----------------------------------------------------------------------


def test_a_restart_takes_the_place_of_a_start_that_waits_and_starts_it_once(shared_ward: Ward) -> None:
    """Scenario 2: restart while waiting on a dependency, then that is there: exactly one spawn."""
    needed = shared_ward.declare(autostart=False)
    service = shared_ward.declare(needs=(needed,), autostart=False)
    start = shared_ward.ask(service, "start")
    shared_ward.reaches(service, "WAITING")
    restart = shared_ward.ask(service, "restart")
    assert shared_ward.ended(start).error_code == "superseded"
    assert shared_ward.act(needed, "start").status == "SUCCESS"
    assert shared_ward.ended(restart).status == "SUCCESS"
    assert len(one_instance(shared_ward, service)) == 1
