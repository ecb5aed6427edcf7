"""How operations ended is counted where they end, and stays when they are purged."""

from datetime import timedelta

import pytest
from django.utils import timezone

from medimgr.tallies.counting import kept
from operations import lifecycle, tallies
from operations.exceptions import LeaseLost
from operations.models import Operation
from operations.requester import Requester
from operations.states import Status
from tests.operations.rows import made

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]


def pending(key: str, ago: float = 0.0) -> Operation:
    return made(key, Status.PENDING, ago=timedelta(seconds=ago), queue="q")


def ended() -> dict[tuple[str, ...], float]:
    return dict(kept().get(tallies.ENDED.name, {}))


def test_each_end_is_counted_by_kind_and_status_and_survives_the_purge() -> None:
    for number in range(3):
        pending(f"s{number}", ago=7)
    rows = lifecycle.claim("q", "worker:1")
    assert len(rows) == 3
    lifecycle.finish(rows[0], Status.SUCCESS)
    lifecycle.finish(rows[1], Status.SUCCESS)
    lifecycle.finish(rows[2], Status.FAILED, "oops")
    Operation.objects.all().delete()
    assert ended() == {("service.start", "SUCCESS"): 2, ("service.start", "FAILED"): 1}
    buckets, seconds = tallies.TOOK.cumulated(kept(), ("service.start",))
    assert buckets[-1] == ("+Inf", 3.0)
    assert 0 <= seconds < 60


def test_how_long_it_waited_is_counted_from_when_it_might_have_begun() -> None:
    pending("s", ago=20)
    [claimed] = lifecycle.claim("q", "worker:1")
    lifecycle.finish(claimed, Status.SUCCESS)
    _, seconds = tallies.WAITED.cumulated(kept(), ("q",))
    assert 19 < seconds < 60


def test_one_that_never_began_is_counted_without_a_duration() -> None:
    row = pending("s")
    lifecycle.request_cancel(row, Requester("alice", "api"))
    assert ended() == {("service.start", "CANCELLED"): 1}
    assert tallies.TOOK.name not in kept()


def test_a_lost_lease_is_counted_by_its_queue() -> None:
    pending("s")
    lifecycle.claim("q", "worker:1")
    Operation.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert lifecycle.reap(timezone.now()) == 1
    assert kept()[tallies.LOST.name] == {("q",): 1}
    assert ended() == {("service.start", "FAILED"): 1}


def test_an_end_that_somebody_else_made_first_is_counted_once() -> None:
    pending("s")
    [held] = lifecycle.claim("q", "worker:1")
    lifecycle.finish(held, Status.SUCCESS)
    held.status = Status.RUNNING
    with pytest.raises(LeaseLost):
        lifecycle.finish(held, Status.FAILED)
    assert ended() == {("service.start", "SUCCESS"): 1}


def test_what_was_made_finished_counts_for_nobody() -> None:
    made(ago=timedelta(hours=2))
    assert ended() == {}
