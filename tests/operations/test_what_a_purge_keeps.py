"""A purge takes along what belongs to an operation, keeps the newest of each target, walks by an index."""

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import Q
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from operations.models import Batch, LogPart, Operation
from operations.purge import Purge, purge, purgeable
from operations.purge_pace import AIMED_SECONDS, MOST_AT_A_TIME, Pace
from operations.purge_spared import Newest
from operations.states import FINISHED, Status
from tests.benchmarks.seeding import History, seed_history
from tests.operations.rows import made

pytestmark = [pytest.mark.both_databases]

HOUR = timedelta(hours=1)
STATUSES = sorted(Status)


def left() -> set[str]:
    return {f"{row.target_key}{row.pk}" for row in Operation.objects.all()}


class KeepingTheNewest(TestCase):
    """Of any history, what goes is what is old enough and not among the newest of its target."""

    @given(
        history=st.lists(
            st.tuples(st.sampled_from("abc"), st.sampled_from([0, 2, 3]), st.sampled_from(sorted(FINISHED))),
            max_size=25,
        ),
        active=st.sets(st.sampled_from("abc")),
        keep=st.integers(0, 4),
        size=st.integers(1, 7),
    )
    @settings(max_examples=40)
    def test_what_goes_is_old_and_not_among_the_newest(
        self, history: list[tuple[str, int, Status]], active: set[str], keep: int, size: int
    ) -> None:
        Operation.objects.all().delete()
        rows = [made(key, status, ago=timedelta(hours=hours)) for key, hours, status in history]
        under_way = [made(key, Status.PENDING, ago=5 * HOUR) for key in sorted(active)]
        expected = {row.pk for row in under_way}
        for key in "abc":
            newest_first = sorted((row.pk for row in rows if row.target_key == key), reverse=True)
            expected |= set(newest_first[:keep])
        before = timezone.now() - HOUR
        expected |= {row.pk for row in rows if row.finished_at and row.finished_at >= before}

        going = list(Purge(before, keep_per_target=keep).going())
        assert len(going) == len(set(going)) == Purge(before, keep_per_target=keep).count()
        assert purge(before, keep_per_target=keep, batch_size=size) == len(going)
        assert set(Operation.objects.values_list("pk", flat=True)) == expected
        assert not expected & set(going)


@pytest.mark.django_db
def test_logs_and_batches_without_operations_go_along() -> None:
    ids = seed_history(History(400, lines=3))
    kept = made("young", batch="young")
    LogPart.objects.create(operation=kept, first=1, lines=[["t", "info", "x"]])
    Batch.objects.create(
        pk="young",
        kind="service.start",
        requester="alice",
        source="api",
        created_at=timezone.now() - timedelta(days=400),
        finished_at=timezone.now(),
        total=1,
    )
    assert Batch.objects.count() > 1
    assert purge(timezone.now() - HOUR) == len(ids)
    assert set(LogPart.objects.values_list("operation", flat=True)) == {kept.pk}
    assert [batch.pk for batch in Batch.objects.all()] == ["young"], "It still has an operation."


@pytest.mark.django_db
def test_a_walk_goes_on_where_another_one_ended() -> None:
    seed_history(History(60, lines=0, targets=5))
    before = timezone.now() - HOUR
    first = Purge(before, keep_per_target=2, batch_size=7)
    assert first.step()
    assert first.step()
    second = Purge(before, keep_per_target=2, batch_size=7, begun=first.state())
    assert second.looked_at == first.looked_at == 14
    assert second.ahead() == 46
    while second.step():
        pass
    assert (second.deleted, second.spared) == (50, 10)
    assert Operation.objects.count() == 10


@pytest.mark.django_db
def test_one_step_takes_no_more_of_logs_than_it_may() -> None:
    for number in range(6):
        made(f"t{number}", ago=2 * HOUR, log_bytes=400_000)
    walk = Purge(timezone.now() - HOUR)
    counts = []
    while walk.step():
        counts.append(walk.deleted)
    assert counts == [2, 4, 6]


@pytest.mark.django_db
def test_a_log_larger_than_a_step_may_take_goes_nevertheless() -> None:
    made("large", ago=2 * HOUR, log_bytes=5_000_000)
    assert purge(timezone.now() - HOUR) == 1


@pytest.mark.django_db
@pytest.mark.parametrize("counted", [False, True])
def test_no_part_of_a_purge_walks_through_the_table(counted: bool) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL plans by what it has counted, which for so few rows says: walk through.")
    seed_history(History(3000, lines=1))  # has the database count
    with connection.cursor() as cursor:
        if not counted:  # as in an installation, where nobody ever has it count
            cursor.execute("DELETE FROM sqlite_stat1")
            cursor.execute("ANALYZE sqlite_schema")
        plans = {
            "next": purgeable(timezone.now()).filter(Q(pk__gt=5), finished_at__gte=timezone.now() - HOUR),
            "ahead": purgeable(timezone.now()).order_by(),
            "newest": Operation.objects.filter(
                target_type="service", target_key="a", finished_at__isnull=False
            ).order_by("-id"),
            "retries": Operation.objects.filter(retry_of__in=[1, 2, 3]).order_by().values_list("pk"),
        }
        for name, rows in plans.items():
            plan = rows.explain()
            assert "SCAN" not in plan, (name, plan)
            assert "TEMP B-TREE" not in plan, (name, plan)
            assert "operation_status" not in plan, (name, plan)


@pytest.mark.django_db
def test_the_newest_of_a_target_are_asked_for_once(django_assert_num_queries: object) -> None:
    rows = [made("a", ago=2 * HOUR) for _ in range(5)]
    newest = Newest(2)
    pairs = [(row.pk, ("service", "a")) for row in rows]
    with django_assert_num_queries(1):  # type: ignore[operator]
        assert newest.among(pairs[:3]) == set()
        assert newest.among(pairs[3:]) == {rows[3].pk, rows[4].pk}
    with django_assert_num_queries(0):  # type: ignore[operator]
        assert Newest(0).among(pairs) == set()


def test_slow_transactions_are_followed_by_smaller_ones_and_longer_pauses() -> None:
    pace = Pace()
    first = pace.at_a_time
    for _ in range(30):
        pace.took(pace.at_a_time, pace.at_a_time * 1e-6)
    assert pace.at_a_time == MOST_AT_A_TIME, "A quick database takes as many as may go at a time."
    pace.took(pace.at_a_time, 10 * AIMED_SECONDS)
    assert pace.at_a_time == MOST_AT_A_TIME // 10
    assert pace.pause_seconds > AIMED_SECONDS
    for _ in range(30):
        pace.took(pace.at_a_time, 1.0)
    assert 0 < pace.at_a_time <= first
    assert pace.pause_seconds <= 0.25
    for _ in range(30):
        pace.took(1, 1e-5)  # a single one, for the size of its log
    assert pace.at_a_time > 0
    assert Pace(7).at_a_time == 7
