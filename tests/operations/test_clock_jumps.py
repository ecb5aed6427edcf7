"""Somebody sets the clock: nothing that lives is taken for dead, and nothing waits for ever."""

import threading
import time
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from monitoring.supervisor.operation_rows import OperationRows
from operations import lifecycle
from operations.chores import Chore, carry_out, take_due
from operations.clock_jumps import CarefulReaper, ClockJumps
from operations.executor import Executor
from operations.job import Job
from operations.models import ChoreRun, Operation
from operations.registry import WORKER_QUEUE, node_queue
from operations.states import Status
from tests.operations.asking import ask, declare, fresh, running, wait_until_ended
from tests.running import wait_for

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

HOUR = timedelta(hours=1)


def test_a_jump_is_told_once_and_from_its_size() -> None:
    clock = ClockJumps()
    assert clock.seconds() == 0
    with time_machine.travel(timezone.now() + HOUR):
        assert 3595 < clock.seconds() < 3605
        assert clock.seconds() == 0
    assert -3605 < clock.seconds() < -3595


def test_time_that_passes_is_no_jump() -> None:
    clock = ClockJumps()
    time.sleep(0.05)  # the time that passes
    assert clock.seconds() == 0


def test_a_reaper_lets_the_living_renew_first() -> None:
    reaper = CarefulReaper(rest_seconds=0.3)
    ask(key="alive")
    ask(key="dead")
    alive, dead = lifecycle.claim(WORKER_QUEUE, "w")
    with time_machine.travel(timezone.now() + HOUR):
        assert reaper.reap() == 0
        lifecycle.renew([alive])
        lifecycle.redate([(alive, 100.0)])
        wait_for(lambda: reaper.reap() == 1, 5, "it has rested")
        assert (fresh(alive).status, fresh(dead).error_code) == (Status.RUNNING, "lease-lost")


def test_a_dead_one_does_not_live_until_a_clock_that_was_set_back_has_caught_up() -> None:
    with time_machine.travel(timezone.now() + HOUR):
        ask()
        [dead] = lifecycle.claim(WORKER_QUEUE, "w")
    assert lifecycle.reap(timezone.now()) == 1
    assert fresh(dead).error_code == "lease-lost"


def test_what_was_asked_for_at_once_does_not_wait_for_a_clock_that_was_set_back() -> None:
    with time_machine.travel(timezone.now() + HOUR):
        asked = ask(key="now")
        ask(key="later", run_after=timezone.now() + HOUR)
    assert [operation.pk for operation in lifecycle.claim(WORKER_QUEUE, "w")] == [asked.pk]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_work_under_way_outlives_a_jump(jump: timedelta, caplog: pytest.LogCaptureFixture) -> None:
    began, go_on = threading.Event(), threading.Event()

    def handler(job: Job) -> None:
        began.set()
        go_on.wait(20)

    declare(handler=handler, deadline_seconds=60.0)
    with running(Executor(watch_seconds=0.05)):
        asked = ask()
        assert began.wait(5)
        with time_machine.travel(timezone.now() + jump):
            wait_for(lambda: abs(left(asked.pk)[0] - 30) < 5, 5, "its lease goes along")
            assert 50 < left(asked.pk)[1] <= 60, "Its deadline did not."
            assert lifecycle.reap(timezone.now()) == 0
            assert "the clock was set by" in caplog.text
            go_on.set()
            assert wait_until_ended(asked).status == Status.SUCCESS


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_what_a_supervisor_holds_outlives_a_jump(jump: timedelta) -> None:
    rows = OperationRows("alpha", "alpha:1:1")
    asked = ask(queue=node_queue("alpha"))
    rows.claim()
    with time_machine.travel(timezone.now() + jump):
        rows.reap()
        assert rows.renew() == set()
        lease, deadline = left(asked.pk)
        assert 25 < lease <= 30
        assert 290 < deadline <= 300
        assert lifecycle.reap(timezone.now()) == 0


def left(pk: int) -> tuple[float, float]:
    """Return how many seconds the lease and the deadline reach from now on."""
    row = Operation.objects.get(pk=pk)
    now = timezone.now()
    assert row.lease_until is not None
    return (row.lease_until - now).total_seconds(), (row.deadline_at - now).total_seconds()


def test_chores_go_on_after_the_clock_was_set_back() -> None:
    runs: list[int] = []
    chore = {"sweep": Chore("sweep", 60.0, lambda: runs.append(1))}
    with time_machine.travel(timezone.now() + HOUR):
        for taken in take_due("w1", chore):
            carry_out(taken, "w1")
    for taken in take_due("w2", chore):
        carry_out(taken, "w2")
    assert len(runs) == 2
    assert take_due("w2", chore) == [], "It is not due again at once."
    assert ChoreRun.objects.get(name="sweep").next_at < timezone.now() + timedelta(seconds=61)


def test_a_chore_whose_holder_died_before_the_clock_was_set_back_is_taken_over() -> None:
    chore = {"sweep": Chore("sweep", 60.0, lambda: None)}
    with time_machine.travel(timezone.now() + HOUR):
        take_due("w1", chore)
    assert take_due("w2", chore) == [], "Its holder may live, and renew."
    with time_machine.travel(timezone.now() + timedelta(seconds=31)):
        assert take_due("w2", chore) == list(chore.values())
