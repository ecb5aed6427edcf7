"""The more urgent go first, the oldest first among those that are as urgent."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from operations import lifecycle
from operations.exceptions import BadParameters, KeyReused, ReasonWanted
from operations.intake import retry
from operations.registry import WORKER_QUEUE
from operations.states import Status
from tests.operations.asking import BERTA, ask, declare, fresh

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def keys(limit: int = 16) -> list[str]:
    return [operation.target_key for operation in lifecycle.claim(WORKER_QUEUE, "w", limit=limit)]


def test_the_most_urgent_goes_first_and_the_oldest_of_those() -> None:
    for key, priority in (("a", 0), ("b", 5), ("c", -100), ("d", 100), ("e", 5)):
        ask(key=key, priority=priority)
    assert keys(2) == ["d", "b"]
    assert keys() == ["e", "a", "c"]


def test_a_retry_is_as_urgent_as_what_it_repeats() -> None:
    ask(priority=7)
    [held] = lifecycle.claim(WORKER_QUEUE, "w")
    lifecycle.finish(held, Status.FAILED)
    assert retry(held, BERTA).priority == 7


@pytest.mark.parametrize("priority", [-101, 101, 10**9])
def test_beyond_the_bounds_there_is_no_priority(priority: int) -> None:
    with pytest.raises(BadParameters) as caught:
        ask(priority=priority)
    assert list(caught.value.errors) == ["priority"]
    assert "-100 to 100" in caught.value.detail


def test_what_is_for_later_waits_and_its_deadline_counts_from_then() -> None:
    declare(deadline_seconds=60.0)
    later = timezone.now() + timedelta(hours=1)
    asked = ask(key="later", priority=100, run_after=later)
    ask(key="now")
    assert keys() == ["now"]
    assert fresh(asked).run_after == later
    assert fresh(asked).deadline_at == later + timedelta(seconds=60)
    assert lifecycle.reap(timezone.now() + timedelta(minutes=59)) == 1  # the other one's lease
    assert fresh(asked).status == Status.PENDING


def test_a_time_that_has_passed_is_now() -> None:
    asked = ask(run_after=timezone.now() - timedelta(days=3))
    assert fresh(asked).run_after == fresh(asked).created_at
    assert keys() == ["backend"]


@pytest.mark.parametrize(
    ("run_after", "words"),
    [(datetime(2030, 1, 1), "no time zone"), (datetime(2999, 1, 1, tzinfo=UTC), "366 days")],
)
def test_a_time_has_a_zone_and_a_bound(run_after: datetime, words: str) -> None:
    with pytest.raises(BadParameters, match=words) as caught:
        ask(run_after=run_after)
    assert list(caught.value.errors) == ["run_after"]


def test_the_same_key_with_another_urgency_or_time_is_another_request() -> None:
    later = timezone.now() + timedelta(minutes=5)
    first = ask(idempotency_key="k", priority=3, run_after=later)
    assert ask(idempotency_key="k", priority=3, run_after=later).pk == first.pk
    with pytest.raises(KeyReused):
        ask(idempotency_key="k", priority=4, run_after=later)
    with pytest.raises(KeyReused):
        ask(idempotency_key="k", priority=3)
    with pytest.raises(KeyReused):
        ask(idempotency_key="k", priority=3, run_after=later + timedelta(seconds=1))


def test_a_kind_may_want_a_reason() -> None:
    declare(needs_reason=True)
    with pytest.raises(ReasonWanted, match="say why") as caught:
        ask(reason="  ")
    assert caught.value.code == "reason-wanted"
    old = ask(reason="It leaks.")
    lifecycle.request_cancel(old, BERTA)
    assert retry(old, BERTA).reason == "It leaks."
