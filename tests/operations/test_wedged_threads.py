"""A handler that never comes back costs its operation and its thread, never the worker."""

import logging
import threading
from collections.abc import Callable, Iterator

import pytest

from operations import crew, leases, lifecycle
from operations.executor import Executor
from operations.job import Job
from operations.states import Status
from tests.operations.asking import BERTA, ask, declare, fresh, running, wait_until_ended
from tests.running import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """What the wedged wait for; opened at the end, so that their threads end. The waits are short."""
    monkeypatch.setattr(crew, "WEDGED_SECONDS", 0.2)
    monkeypatch.setattr(leases, "LET_GO_SECONDS", 0.1)
    gate = threading.Event()
    yield gate
    gate.set()


def wedged(gate: threading.Event) -> Callable[[Job], None]:
    def handler(job: Job) -> None:
        gate.wait(30)

    return handler


def test_it_times_out_and_the_row_says_that_it_is_still_at_it(gate: threading.Event) -> None:
    declare("service.wedged", handler=wedged(gate), deadline_seconds=0.2)
    with running(Executor(watch_seconds=0.05)):
        row = wait_until_ended(ask("service.wedged"))
    assert (row.status, row.error_code) == (Status.TIMEOUT, "timeout")
    assert "has not come back either" in row.error_detail


def test_a_worker_never_runs_out_of_threads(gate: threading.Event, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    declare("service.wedged", handler=wedged(gate), deadline_seconds=0.2)
    declare(handler=lambda job: None)
    with running(Executor(threads=2, watch_seconds=0.05)) as executor:
        stuck = []
        for number in range(4):
            stuck.append(wait_until_ended(ask("service.wedged", key=f"w{number}")))
            wait_for(lambda: not executor.held(), 5, "it is given up")
        assert wait_until_ended(ask(key="after")).status == Status.SUCCESS
        assert {operation.status for operation in stuck} == {"TIMEOUT"}
        wait_for(lambda: "4 so far" in caplog.text, 5, "the log tells of all of them")
    assert f"peration {stuck[0].pk} (" in caplog.text
    assert "restart the worker" in caplog.text


def test_its_late_end_changes_nothing_and_its_thread_ends(gate: threading.Event) -> None:
    threads: list[threading.Thread] = []

    def handler(job: Job) -> None:
        threads.append(threading.current_thread())
        gate.wait(30)

    declare("service.wedged", handler=handler, deadline_seconds=0.1)
    with running(Executor(threads=1, watch_seconds=0.05)) as executor:
        row = wait_until_ended(ask("service.wedged"))
        wait_for(lambda: not executor.held(), 5, "it is given up")
        gate.set()
        wait_for(lambda: not threads[0].is_alive(), 5, "the thread ends")
        assert fresh(row).public() == row.public()


def test_one_that_was_replaced_and_does_not_listen_is_given_up_too(gate: threading.Event) -> None:
    began = threading.Event()

    def handler(job: Job) -> None:
        began.set()
        gate.wait(30)

    declare(handler=handler)
    declare("service.override", handler=lambda job: None, preempts=frozenset({"service.work"}))
    with running(Executor(threads=1, watch_seconds=0.05)):
        ask()
        assert began.wait(5)
        assert wait_until_ended(ask("service.override")).status == Status.SUCCESS


def test_one_that_was_asked_to_stop_and_works_on_is_left_alone(gate: threading.Event) -> None:
    began = threading.Event()

    def handler(job: Job) -> None:
        began.set()
        gate.wait(30)

    declare(handler=handler)
    with running(Executor(threads=1, watch_seconds=0.05)) as executor:
        asked = ask()
        assert began.wait(5)
        lifecycle.request_cancel(fresh(asked), BERTA)
        wait_for(lambda: executor.held()[0].cancelled_by, 5, "it is told")
        gate.set()
        assert wait_until_ended(asked).status == Status.SUCCESS


def test_a_handler_that_comes_back_after_its_deadline_timed_out_in_plain_words() -> None:
    declare(handler=lambda job: job.wait(30), deadline_seconds=0.1)
    with running(Executor(watch_seconds=0.05)):
        row = wait_until_ended(ask())
    assert (row.status, row.error_code) == (Status.TIMEOUT, "timeout")
    assert "come back" not in row.error_detail


def test_what_was_claimed_ahead_and_turns_out_long_waits_for_nobody() -> None:
    """Brief ones are claimed ahead; where one of them is long, the others get threads of their own."""
    slow, all_there = threading.Event(), threading.Barrier(5)

    def handler(job: Job) -> None:
        if slow.is_set():
            all_there.wait(10)  # breaks unless five come together, on two threads

    declare(handler=handler)
    for number in range(20):
        ask(key=f"brief{number}")
    executor = Executor(threads=2, watch_seconds=0.05)
    assert executor.run(drain=True) == 0
    slow.set()
    asked = [ask(key=f"long{number}") for number in range(5)]
    second = Executor(threads=2, watch_seconds=0.05)
    second._crew._took = executor._crew._took  # it knows the kind as brief
    second.run(drain=True)
    assert {fresh(operation).status for operation in asked} == {"SUCCESS"}


def test_a_cancel_of_what_was_handed_out_and_has_not_begun_keeps_it_from_beginning() -> None:
    began: list[str] = []
    first_began, go_on = threading.Event(), threading.Event()

    def handler(job: Job) -> None:
        began.append(job.operation.target_key)
        first_began.set()
        go_on.wait(10)

    declare(handler=handler)
    with running(Executor(threads=1, watch_seconds=0.05)) as executor:
        first = ask(key="first")
        assert first_began.wait(5)
        second = ask(key="second")
        [held] = lifecycle.claim("worker", executor.owner)
        lifecycle.request_cancel(fresh(second), BERTA)
        executor._hand_out(held)
        wait_for(lambda: executor.held()[1].cancelled_by, 5, "it is told")
        go_on.set()
        row = wait_until_ended(second)
        assert (row.status, row.error_detail) == (Status.CANCELLED, "Cancelled by berta before it began.")
        assert wait_until_ended(first).status == Status.SUCCESS
    assert began == ["first"]
