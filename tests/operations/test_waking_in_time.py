"""What was asked for a later time begins then, not at the next look a second later."""

import threading
import time
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from operations import lifecycle
from operations.due_times import DueTimes
from operations.executor import Executor
from operations.job import Job
from operations.models import Operation
from operations.registry import WORKER_QUEUE
from tests.operations.asking import ALICE, ask, declare, running
from tests.operations.test_limits import backlog

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.mark.django_db(transaction=True)
def test_it_begins_when_its_time_has_come() -> None:
    began_at: list[float] = []
    began = threading.Event()

    def handler(job: Job) -> None:
        began_at.append(time.time())
        began.set()

    declare(handler=handler)
    late = []
    with running(Executor()):
        for number in range(4):
            began.clear()
            due = timezone.now() + timedelta(seconds=0.35)
            ask(key=f"s{number}", run_after=due)
            assert began.wait(5)
            late.append(began_at[-1] - due.timestamp())
    assert min(late) >= 0
    assert sum(late) < 1.2, f"It looks when it likes, not when something is due: {late}"


def test_the_next_time_is_known() -> None:
    due = DueTimes(WORKER_QUEUE)
    assert due.seconds() is None
    now = timezone.now()
    ask(key="later", run_after=now + timedelta(seconds=90))
    assert 85 < (due.seconds() or 0) <= 90
    ask(key="sooner", run_after=now + timedelta(seconds=30))
    assert 25 < (due.seconds() or 0) <= 30
    ask(key="elsewhere", run_after=now + timedelta(seconds=10), queue="node:alpha")
    assert 25 < (due.seconds() or 0) <= 30


def test_a_cancelled_one_is_forgotten_at_its_time() -> None:
    due = DueTimes(WORKER_QUEUE)
    asked = ask(run_after=timezone.now() + timedelta(seconds=0.05))
    assert due.seconds() is not None
    lifecycle.request_cancel(asked, ALICE)
    time.sleep(0.06)  # until its time has come
    assert due.seconds() is None


def test_more_times_than_are_remembered_are_all_met() -> None:
    start = timezone.now() + timedelta(seconds=60)
    backlog(200)
    for number, operation in enumerate(Operation.objects.order_by("-id")):
        operation.run_after = start + timedelta(seconds=number)
        operation.save(update_fields=["run_after"])
    due = DueTimes(WORKER_QUEUE)
    for number in (0, 1, 62, 63, 64, 65, 150, 199):
        at = start + timedelta(seconds=number)
        Operation.objects.filter(run_after__lt=at).delete()
        due._times = [moment for moment in due._times if moment >= at]  # as if time had passed
        found = due.seconds()
        assert found is not None
        assert abs(timezone.now().timestamp() + found - at.timestamp()) < 1


def test_a_look_costs_little_however_many_wait() -> None:
    backlog(300)
    Operation.objects.update(run_after=timezone.now() + timedelta(seconds=60))
    due = DueTimes(WORKER_QUEUE)
    due.seconds()
    with CaptureQueriesContext(connection) as queries:
        due.seconds()
    assert len(queries) == 1
