"""``services scale`` and ``services restart --rolling`` from a shell."""

import threading

import pytest
from django.db import connections

from monitoring.models import Service, ServiceStatus
from operations.models import Operation
from tests.factories import make_service
from tests.monitoring.command_line.conftest import operations_carried_out, report_now, services, succeed
from tests.running import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]


@pytest.fixture
def supervised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitoring.command_line.scaling.POLL_SECONDS", 0.02)
    report_now()


def reports(key: str, **status: str) -> threading.Thread:
    """Let the status of a copy become so once it is there, as its supervisor would."""

    def report() -> None:
        try:
            rows = ServiceStatus.objects.filter(service__key=key)
            wait_for(rows.exists, 10, f"{key} is there")
            rows.update(**status)
        finally:
            connections.close_all()

    thread = threading.Thread(target=report)
    thread.start()
    return thread


@pytest.mark.usefixtures("supervised")
def test_scaling_waits_until_the_new_copies_run() -> None:
    make_service("web")
    threads = [reports("web-2", state="RUNNING"), reports("web-3", state="RUNNING")]
    shown = services("scale", "web", "3")
    for thread in threads:
        thread.join()
    assert (shown.code, shown.err) == (0, "")
    assert shown.lines[:2] == ["web: 1 copy before, 3 copies now.", "New: web-2, web-3."]
    assert sorted(shown.lines[2:]) == ["web-2: running.", "web-3: running."]


@pytest.mark.usefixtures("supervised")
def test_a_copy_that_does_not_start_is_exit_code_1_with_its_reason() -> None:
    make_service("web")
    thread = reports("web-2", state="FATAL", detail="Port 8002 is taken by pid 7 (nginx).")
    shown = services("scale", "web", "2")
    thread.join()
    assert shown.code == 1
    assert "web-2: fatal. Port 8002 is taken by pid 7 (nginx).\n" in shown.err
    assert "1 of 1 new copies does not run; see above." in shown.err


@pytest.mark.usefixtures("supervised")
def test_copies_of_what_is_wanted_down_are_not_waited_for() -> None:
    make_service("web", autostart=False)
    shown = services("scale", "web", "2")
    assert (shown.code, shown.lines[-1]) == (0, "web-2: not started, since web is wanted down.")


def test_without_a_supervisor_the_number_is_changed_and_said_so() -> None:
    make_service("web")
    shown = services("scale", "web", "2")
    assert shown.code == 0
    assert "so they do not run yet" in shown.err
    assert Service.objects.filter(key="web-2").exists()


def test_scaling_down_says_what_goes_and_asks_where_there_is_a_warning() -> None:
    make_service("web", instances=3, warning="Voters are waiting.")
    shown = services("scale", "web", "1")
    assert shown.code == 1
    assert "Nothing was changed" in shown.err
    assert "Voters are waiting." in shown.err
    shown = services("scale", "web", "1", "--yes")
    assert (shown.code, shown.lines[-1]) == (0, "Stopped and removed: web-3, web-2.")
    assert Service.objects.count() == 1


def test_a_refusal_is_exit_code_1_in_words() -> None:
    make_service("web", instances=2)
    shown = services("scale", "web-2", "5")
    assert (shown.code, shown.err) == (1, "web-2 is copy 2 of web. Scale web instead.\n")


def test_a_rolling_restart_of_a_service_means_its_copies_too() -> None:
    report_now()
    make_service("db")
    make_service("web", instances=3)
    with operations_carried_out(succeed):
        shown = services("restart", "web", "web-2", "--rolling")
    assert shown.code == 0
    rows = Operation.objects.order_by("id")
    assert [(row.target_key, row.parameters["rolling"]) for row in rows] == [
        ("web", True),
        ("web-2", True),
        ("web-3", True),
    ]
    assert len({row.batch for row in rows}) == 1


def test_an_ordinary_restart_is_of_what_was_named() -> None:
    report_now()
    make_service("web", instances=2)
    with operations_carried_out(succeed):
        services("restart", "web")
    assert [row.target_key for row in Operation.objects.all()] == ["web"]
