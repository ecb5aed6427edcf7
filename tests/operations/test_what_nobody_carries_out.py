"""Nothing stays active for ever: lost leases and passed deadlines end, with the reason in words."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from medimgr.events.models import Event
from operations import lifecycle, words
from operations.exceptions import LeaseLost
from operations.models import Operation
from operations.registry import WORKER_QUEUE, node_queue
from operations.states import Status
from tests.operations.asking import ask, declare, fresh

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def later(seconds: float) -> datetime:
    return timezone.now() + timedelta(seconds=seconds)


def test_a_lost_lease_is_a_failure_and_never_a_second_run() -> None:
    ask()
    [held] = lifecycle.claim(WORKER_QUEUE, "worker:alpha:7", lease_seconds=30.0)
    assert lifecycle.reap(later(29)) == 0
    assert lifecycle.reap(later(31)) == 1
    row = fresh(held)
    assert (row.status, row.error_code) == (Status.FAILED, "lease-lost")
    assert "worker:alpha:7" in row.error_detail
    assert Event.objects.latest("id").data == row.public()
    assert lifecycle.claim(WORKER_QUEUE, "w2") == []
    with pytest.raises(LeaseLost):
        lifecycle.finish(held, Status.SUCCESS)


def test_a_renewed_lease_is_not_lost() -> None:
    ask()
    [held] = lifecycle.claim(WORKER_QUEUE, "w", lease_seconds=10.0)
    lifecycle.renew([held], lease_seconds=60.0)
    assert lifecycle.reap(later(50)) == 0
    assert fresh(held).status == Status.RUNNING


def test_a_lease_that_is_renewed_at_the_last_moment_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    ask()
    [held] = lifecycle.claim(WORKER_QUEUE, "w", lease_seconds=-1.0)
    say = words.lease_lost

    def renewed_meanwhile(row: Operation) -> str:
        """Put the holder's renewal between the reaper's look and its write."""
        lifecycle.renew([held])
        return say(row)

    monkeypatch.setattr(words, "lease_lost", renewed_meanwhile)
    assert lifecycle.reap(timezone.now()) == 0
    assert fresh(held).status == Status.RUNNING


def test_running_past_the_deadline_is_a_timeout_even_with_a_live_lease() -> None:
    declare(deadline_seconds=5.0)
    ask()
    [held] = lifecycle.claim(WORKER_QUEUE, "w", lease_seconds=60.0)
    assert lifecycle.reap(later(4)) == 0
    assert lifecycle.reap(later(6)) == 1
    row = fresh(held)
    assert (row.status, row.error_code) == (Status.TIMEOUT, "timeout")
    assert "5 s" in row.error_detail


@pytest.mark.parametrize(
    ("queue", "words"),
    [(node_queue("alpha"), "supervisor of node alpha"), (WORKER_QUEUE, "operations worker")],
)
def test_waiting_past_the_deadline_says_that_nobody_took_it(queue: str, words: str) -> None:
    asked = ask(queue=queue)
    assert lifecycle.reap(later(299)) == 0
    assert lifecycle.reap(later(301)) == 1
    row = fresh(asked)
    assert (row.status, row.error_code) == (Status.TIMEOUT, "timeout")
    assert f"No {words} took it within 300 s" in row.error_detail
    assert "Check" in row.error_detail


def test_a_target_is_free_again_after_the_reaper() -> None:
    ask()
    lifecycle.claim(WORKER_QUEUE, "w")
    lifecycle.reap(later(31))
    assert ask().status == Status.PENDING


def test_a_new_supervisor_fails_what_its_dead_predecessor_held() -> None:
    old = ask(key="a", queue="node:alpha")
    other_queue = ask(key="b", queue="node:beta")
    lifecycle.claim("node:alpha", "old life")
    lifecycle.claim("node:beta", "old life")
    mine = ask(key="c", queue="node:alpha")
    waiting = ask(key="d", queue="node:alpha")
    lifecycle.claim("node:alpha", "new life", limit=1)
    assert lifecycle.fail_abandoned("node:alpha", "new life") == 1
    assert (fresh(old).status, fresh(old).error_code) == (Status.FAILED, "lease-lost")
    assert [fresh(o).status for o in (other_queue, mine, waiting)] == ["RUNNING", "RUNNING", "PENDING"]
    assert lifecycle.fail_abandoned("node:alpha", "new life") == 0
