"""``services start|stop|restart`` requests operations, waits for their end and tells it."""

import io
import os
import pwd
import time
from datetime import timedelta

import pytest
from django.utils import timezone

from monitoring.models import Node
from operations.models import Operation
from operations.states import Status
from tests.factories import make_node, make_service
from tests.monitoring.command_line.conftest import (
    fail,
    fall_silent,
    operations_carried_out,
    report_now,
    services,
    succeed,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]


def test_a_restart_is_requested_in_the_login_name_and_told_to_its_end() -> None:
    report_now()
    make_service("backend")
    with operations_carried_out(succeed):
        shown = services("restart", "backend", "--reason", "new settings")
    assert (shown.code, shown.err) == (0, "")
    assert "backend: waits for its health check" in shown.lines
    assert shown.lines[-1].startswith("backend: restarted in ")
    operation = Operation.objects.get()
    assert (operation.kind, operation.source, operation.reason) == (
        "service.restart",
        "command",
        "new settings",
    )
    assert operation.requester == pwd.getpwuid(os.getuid()).pw_name


def test_a_failure_is_exit_code_1_with_the_error_in_words() -> None:
    report_now()
    make_service("backend")
    with operations_carried_out(fail):
        shown = services("start", "backend")
    assert shown.code == 1
    assert "backend: failed (port-busy). Port 8101 is held by nginx (pid 4711).\n" in shown.err
    assert "0 of 1 services were started; see above." in shown.err


def test_all_means_the_declared_services_of_this_node_in_one_batch() -> None:
    report_now()
    for key in ("a", "b"):
        make_service(key)
    make_service("web", builtin=True)
    make_service("far", node=report_now("elsewhere"))
    with operations_carried_out(succeed):
        assert services("stop", "--all").code == 0
    asked = Operation.objects.all()
    assert {operation.target_key for operation in asked} == {"a", "b"}
    assert len({operation.batch for operation in asked}) == 1


def test_one_that_is_busy_is_refused_and_the_other_goes_on() -> None:
    report_now()
    for key in ("a", "b"):
        make_service(key)
    assert services("restart", "a", "--no-wait").code == 0
    Operation.objects.update(status=Status.RUNNING, started_at=timezone.now())
    with operations_carried_out(succeed):
        shown = services("restart", "a", "b")
    assert shown.code == 1
    assert "a: refused (target-busy). service:a is busy: Restart" in shown.err
    assert "b: restarted in " in shown.out
    assert "1 of 2 services was restarted; see above." in shown.err


def test_without_a_supervisor_nothing_is_requested_and_nobody_waits() -> None:
    make_service("backend")
    began = time.monotonic()
    shown = services("start", "backend")
    assert time.monotonic() - began < 2
    assert shown.code == 1
    assert "No supervisor reports for node testnode; none ever has. Nothing was requested." in shown.err
    assert Operation.objects.count() == 0


def test_a_supervisor_that_fell_silent_is_none() -> None:
    make_service("backend")
    Node.objects.update(supervisor_pid=1, heartbeat_at=timezone.now() - timedelta(seconds=11))
    assert "the last report was at" in services("start", "backend").err
    assert Operation.objects.count() == 0


def test_without_waiting_it_is_requested_all_the_same() -> None:
    make_service("backend")
    shown = services("start", "backend", "--no-wait")
    assert shown.code == 0
    assert "The request waits for one, five minutes at most." in shown.err
    assert shown.out == f"backend: start requested as operation {Operation.objects.get().pk}.\n"


def test_a_supervisor_that_dies_meanwhile_ends_the_waiting() -> None:
    report_now()
    make_service("backend")
    with operations_carried_out(fall_silent):
        shown = services("start", "backend")
    assert shown.code == 1
    assert "the supervisor of node testnode does not report any more." in shown.err
    assert Operation.objects.get().status == Status.RUNNING


def test_the_time_to_wait_is_limited() -> None:
    report_now()
    make_service("backend")
    shown = services("start", "backend", "--timeout", "0.2")
    assert shown.code == 1
    assert "backend: still pending after 0.2 s" in shown.err


def test_an_operation_deleted_meanwhile_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    report_now()
    make_service("backend")
    monkeypatch.setattr("time.sleep", lambda _seconds: Operation.objects.all().delete())
    shown = services("start", "backend")
    assert shown.code == 1
    assert "was deleted before its end was seen." in shown.err


@pytest.mark.parametrize("verb", ["stop", "restart"])
def test_a_warning_has_to_be_confirmed(verb: str) -> None:
    report_now()
    make_service("chain", warning="Stopping the blockchain node pauses vote sealing.")
    shown = services(verb, "chain")
    assert shown.code == 1
    assert "chain: Stopping the blockchain node pauses vote sealing." in shown.err
    assert Operation.objects.count() == 0
    with operations_carried_out(succeed):
        assert services(verb, "chain", "--yes").code == 0


def test_a_start_needs_no_confirmation() -> None:
    report_now()
    make_service("chain", warning="Mind the gap.")
    with operations_carried_out(succeed):
        assert services("start", "chain").code == 0


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("typed", "requested"), [("y\n", 1), ("YES\n", 1), ("\n", 0), ("n\n", 0), ("", 0)])
def test_at_a_terminal_the_warning_is_asked_about(
    monkeypatch: pytest.MonkeyPatch, typed: str, requested: int
) -> None:
    report_now()
    make_service("chain", warning="Mind the gap.")
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    shown = services("stop", "chain", "--no-wait")
    assert "chain: Mind the gap.\nStop all the same? [y/N] " in shown.out
    assert (shown.code, Operation.objects.count()) == (1 - requested, requested)


def test_a_stop_by_force_says_so_to_the_supervisor() -> None:
    make_service("backend")
    services("stop", "backend", "--force", "--no-wait")
    assert Operation.objects.get().parameters == {"force": True}


@pytest.mark.parametrize("arguments", [("start",), ("stop", "a", "--all")])
def test_what_to_act_on_has_to_be_said_once(arguments: tuple[str, ...]) -> None:
    shown = services(*arguments)
    assert (shown.code, shown.err) == (1, f"Say what to {arguments[0]}: keys of services, or --all.\n")


def test_all_of_a_node_without_services_is_an_error() -> None:
    make_node()
    assert services("start", "--all").err == (
        "No services are declared there. See manage.py services import.\n"
    )


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (("--timeout", "soon"), "'soon' is not a number of seconds from 0 to 86400."),
        (("--reason", "x" * 501), "The reason has 501 characters; at most 500 are kept."),
    ],
)
def test_a_bad_option_is_refused_in_words(option: tuple[str, str], message: str) -> None:
    make_service("backend")
    assert message in services("start", "backend", *option).err
