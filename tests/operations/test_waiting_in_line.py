"""The deadline of an operation that waits for its turn begins to count when its turn has come."""

from datetime import timedelta

import pytest
from django.utils import timezone

from monitoring.supervisor.operation_rows import OperationRows
from monitoring.supervisor.records import Progress
from operations import lifecycle
from operations.models import Operation
from operations.registry import WORKER_QUEUE, node_queue
from tests.operations.asking import ask, fresh

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def nearly_over(operation: Operation) -> None:
    Operation.objects.filter(pk=operation.pk).update(deadline_at=timezone.now() + timedelta(seconds=1))


def seconds_left(operation: Operation) -> float:
    return (fresh(operation).deadline_at - timezone.now()).total_seconds()


def test_a_deadline_counts_from_now_on_for_those_that_are_held() -> None:
    ask(key="mine")
    [mine] = lifecycle.claim(WORKER_QUEUE, "supervisor")
    other = ask(key="other")
    for operation in (mine, other):
        nearly_over(operation)
    lifecycle.postpone([mine, other])
    assert 290 < seconds_left(mine) <= 300
    assert seconds_left(other) <= 1


def test_what_has_ended_keeps_its_deadline() -> None:
    ask()
    [held] = lifecycle.claim(WORKER_QUEUE, "supervisor")
    nearly_over(held)
    lifecycle.finish(held, "SUCCESS")
    lifecycle.postpone([held])
    assert seconds_left(held) <= 1


def test_a_supervisor_keeps_those_in_line_alive_until_their_turn_has_come() -> None:
    rows = OperationRows("alpha", "alpha:1:1")
    waiting = ask(queue=node_queue("alpha"))
    rows.claim()
    rows.write(Progress(waiting.pk, "waiting for its turn: Web is being restarted", in_line=True))
    nearly_over(waiting)
    rows.renew()
    assert seconds_left(waiting) > 290
    nearly_over(waiting)
    rows.write(Progress(waiting.pk, "stopping pid 7"))
    assert seconds_left(waiting) > 290
    nearly_over(waiting)
    rows.renew()
    assert seconds_left(waiting) <= 1
