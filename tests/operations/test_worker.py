"""The operations worker runs handlers and ends every operation truly, whatever the handler does."""

import logging
import threading
import time

import pytest
from django.db import connections
from django.utils import timezone

from medimgr.events.models import Event
from monitoring.models import Service
from operations import lifecycle
from operations.exceptions import Cancelled, LeaseLost, OperationFailed, TargetBusy
from operations.executor import Executor
from operations.job import Job
from operations.models import Operation
from operations.registry import unregister
from operations.states import Status
from tests.operations.asking import (
    ALICE,
    BERTA,
    WORK,
    ask,
    declare,
    fresh,
    in_thread,
    running,
    wait_until_ended,
)
from tests.running import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]


def drain(**options: object) -> Executor:
    executor = Executor(**options)  # type: ignore[arg-type]
    assert executor.run(drain=True) == 0
    return executor


def test_a_handler_that_returns_is_a_success() -> None:
    seen = []
    declare(handler=lambda job: seen.append((job.operation.pk, str(job.target()))))
    asked = ask()
    drain()
    assert seen == [(asked.pk, "Backend")]
    assert fresh(asked).status == Status.SUCCESS


class NoDisk(OperationFailed):
    """There is no room."""

    code = "no-disk"


def test_a_handler_may_fail_with_a_code_and_words() -> None:
    def handler(job: Job) -> None:
        raise NoDisk("The disk of backend is full.")

    declare(handler=handler)
    asked = ask()
    drain()
    row = fresh(asked)
    assert (row.status, row.error_code, row.error_detail) == (
        Status.FAILED,
        "no-disk",
        "The disk of backend is full.",
    )


def test_a_problem_of_medimgr_keeps_its_code_and_words() -> None:
    def handler(job: Job) -> None:
        raise TargetBusy("Somebody else is at it.")

    declare(handler=handler)
    asked = ask()
    drain()
    assert (fresh(asked).error_code, fresh(asked).error_detail) == ("target-busy", "Somebody else is at it.")


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt])
def test_a_crash_shows_no_secret_and_points_to_the_log(
    error: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    def handler(job: Job) -> None:
        raise error("password=hunter2")

    declare(handler=handler)
    asked = ask()
    after = ask(key="frontend")
    drain(threads=1)
    row = fresh(asked)
    assert (row.status, row.error_code) == (Status.FAILED, "internal-error")
    assert error.__name__ in row.error_detail
    assert str(asked.pk) in row.error_detail
    assert "hunter2" not in str([event.data for event in Event.objects.all()]) + row.error_detail
    assert "Traceback" in caplog.text
    # The thread goes on with the next one.
    assert fresh(after).error_code == "internal-error"


def test_a_kind_that_this_worker_does_not_know_fails_by_name() -> None:
    asked = ask()
    unregister(WORK)
    drain()
    assert (fresh(asked).status, fresh(asked).error_code) == (Status.FAILED, "unknown-kind")
    assert WORK in fresh(asked).error_detail


def test_a_kind_without_a_handler_fails_by_name() -> None:
    asked = ask()
    drain()
    assert (fresh(asked).status, fresh(asked).error_code) == (Status.FAILED, "no-handler")


def test_a_target_that_went_meanwhile_fails_by_name() -> None:
    def handler(job: Job) -> None:
        job.target()

    declare(handler=handler)
    asked = ask()
    asked_for = asked.target
    Service.objects.all().delete()
    drain()
    assert fresh(asked).error_code == "target-gone"
    assert asked_for in fresh(asked).error_detail


def test_an_operation_is_taken_up_as_soon_as_it_is_asked_for() -> None:
    began = threading.Event()
    declare(handler=lambda job: began.set())
    waited = 0.0
    with running(Executor()):
        for number in range(4):
            time.sleep(0.2)  # it idles now, and would look again by itself 0.8 s later
            began.clear()
            asked_at = time.monotonic()
            ask(key=f"s{number}")
            assert began.wait(5)
            waited += time.monotonic() - asked_at
    assert waited < 2.0, "It waits for the poll instead of being woken."


def test_progress_is_written_seldom_and_its_last_word_is_kept() -> None:
    def handler(job: Job) -> None:
        for chunk in range(1, 501):
            job.progress(chunk, 500, f"chunk {chunk}")

    declare(handler=handler)
    asked = ask()
    drain()
    assert fresh(asked).public()["progress"] == {"done": 500, "total": 500, "message": "chunk 500"}
    events = Event.objects.filter(topic="operation", key=str(asked.pk)).count()
    assert 4 <= events <= 20, "asked, claimed, first progress, ended, and few in between"


def test_a_cancel_is_honoured_at_the_next_check() -> None:
    began, stopped = threading.Event(), threading.Event()

    def handler(job: Job) -> None:
        began.set()
        try:
            job.wait(30)
        except Cancelled:
            stopped.set()
            raise

    declare(handler=handler)
    with running(Executor(watch_seconds=0.05)):
        asked = ask()
        assert began.wait(5)
        lifecycle.request_cancel(fresh(asked), BERTA)
        row = wait_until_ended(asked, 5)
    assert stopped.is_set()
    assert (row.status, row.error_code) == (Status.CANCELLED, "cancelled")
    assert "berta" in row.error_detail


def test_a_handler_that_never_looks_and_finishes_is_a_success() -> None:
    began, go_on = threading.Event(), threading.Event()

    def handler(job: Job) -> None:
        began.set()
        go_on.wait(10)

    declare(handler=handler)
    with running(Executor(watch_seconds=0.05)) as executor:
        asked = ask()
        assert began.wait(5)
        lifecycle.request_cancel(fresh(asked), BERTA)
        wait_for(lambda: executor.held()[0].cancelled_by == "berta", 5, "the job is told")
        go_on.set()
        assert wait_until_ended(asked).status == Status.SUCCESS


def test_the_deadline_ends_a_handler_that_does_not_end() -> None:
    lost = threading.Event()

    def handler(job: Job) -> None:
        try:
            job.wait(30)
        except LeaseLost:
            lost.set()
            raise

    declare(handler=handler, deadline_seconds=0.3)
    with running(Executor(watch_seconds=0.05)):
        row = wait_until_ended(ask(), 5)
        assert (row.status, row.error_code) == (Status.TIMEOUT, "timeout")
        assert lost.wait(5), "The handler was not told."
        assert fresh(row).public() == row.public()


def test_a_wedged_handler_times_out_and_its_late_end_changes_nothing() -> None:
    go_on = threading.Event()

    def handler(job: Job) -> None:
        go_on.wait(10)

    declare(handler=handler, deadline_seconds=0.2)
    with running(Executor(watch_seconds=0.05)) as executor:
        row = wait_until_ended(ask(), 5)
        assert row.status == Status.TIMEOUT
        go_on.set()
        wait_for(lambda: not executor.held(), 5, "the handler returns")
        assert fresh(row).public() == row.public()


def test_the_lease_of_long_work_is_renewed() -> None:
    # The work itself, more than two leases long.
    declare(handler=lambda job: time.sleep(1.6))
    with running(Executor(lease_seconds=0.6, watch_seconds=0.05)):
        asked = ask()
        wait_for(lambda: fresh(asked).status == Status.RUNNING, 5, "it runs")
        while fresh(asked).status == Status.RUNNING:
            assert fresh(asked).error_code == ""
            lifecycle.reap(timezone.now())
            time.sleep(0.05)
        assert fresh(asked).status == Status.SUCCESS


def test_a_replaced_operation_stops_its_handler() -> None:
    began, lost = threading.Event(), threading.Event()

    def handler(job: Job) -> None:
        began.set()
        try:
            job.wait(30)
        except LeaseLost:
            lost.set()
            raise

    declare(handler=handler)
    declare("service.override", handler=lambda job: None, preempts=frozenset({WORK}))
    with running(Executor(watch_seconds=0.05)):
        old = ask()
        assert began.wait(5)
        new = ask("service.override")
        assert wait_until_ended(new).status == Status.SUCCESS
        assert lost.wait(5)
        assert fresh(old).error_code == "superseded"


def test_once_carries_out_one_and_leaves_the_rest() -> None:
    declare(handler=lambda job: None)
    asked = [ask(key=key) for key in ("a", "b")]
    Executor().run(drain=True, most=1)
    assert [fresh(operation).status for operation in asked] == ["SUCCESS", "PENDING"]
    Executor().run(drain=True, most=1)
    assert fresh(asked[1]).status == Status.SUCCESS
    Executor().run(drain=True, most=1)  # ends where nothing waits


def test_handlers_run_side_by_side_up_to_the_number_of_threads() -> None:
    gate = threading.Barrier(3)

    def handler(job: Job) -> None:
        gate.wait(10)  # breaks, and so fails, unless three come together

    declare(handler=handler)
    asked = [ask(key=key) for key in ("a", "b", "c")]
    drain(threads=3)
    assert {fresh(operation).status for operation in asked} == {"SUCCESS"}


def test_a_stop_lets_running_work_end_and_begins_no_other() -> None:
    began, go_on = threading.Event(), threading.Event()

    def handler(job: Job) -> None:
        began.set()
        go_on.wait(10)

    declare(handler=handler)
    executor = Executor(threads=1, grace_seconds=10)
    first, second = ask(key="a"), ask(key="b")
    outcome: list[int] = []
    thread = in_thread(lambda: outcome.append(executor.run()))
    assert began.wait(5)
    executor.stop()
    go_on.set()
    thread.join(10)
    assert outcome == [0]
    assert [fresh(first).status, fresh(second).status] == ["SUCCESS", "PENDING"]


def test_work_that_outlasts_the_grace_ends_as_worker_stopped() -> None:
    began, go_on = threading.Event(), threading.Event()

    def handler(job: Job) -> None:
        began.set()
        go_on.wait(10)

    declare(handler=handler)
    executor = Executor(grace_seconds=0.1)
    asked = ask()
    outcome: list[int] = []
    thread = in_thread(lambda: outcome.append(executor.run()))
    assert began.wait(5)
    executor.stop()
    thread.join(5)
    assert outcome == [1]
    row = fresh(asked)
    assert (row.status, row.error_code) == (Status.FAILED, "worker-stopped")
    go_on.set()
    wait_for(lambda: not executor.held(), 5, "the handler returns")
    assert fresh(asked).public() == row.public()


def test_a_refused_progress_costs_the_report_and_not_the_work(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)

    def handler(job: Job) -> None:
        # A connection that the database has ended under our hands: the next statement on it fails.
        connections["default"].ensure_connection()
        connections["default"].connection.close()
        job.progress(1, 2, "half")

    declare(handler=handler)
    asked = ask()
    drain()
    assert "was not stored" in caplog.text
    assert fresh(asked).status == Status.SUCCESS
    assert fresh(asked).progress_message == "half"


def test_nothing_is_left_running_after_a_clean_end() -> None:
    before = {thread.ident for thread in threading.enumerate()}
    declare(handler=lambda job: None)
    ask(who=ALICE)
    drain()
    assert {thread.ident for thread in threading.enumerate()} <= before
    assert Operation.objects.active().count() == 0
