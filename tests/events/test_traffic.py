"""What the streams were sent is counted by the minute, over all workers and after the streams have ended."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db.models import Sum
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import DjangoDbBlocker

from medimgr.events import traffic
from medimgr.events.models import Traffic
from medimgr.events.traffic import Sent
from tests.events.conftest import running_site

NOON = datetime(2026, 11, 23, 12, 0, 30, tzinfo=UTC)


@pytest.mark.django_db
@pytest.mark.both_databases
def test_what_two_workers_sent_within_a_minute_is_one_row() -> None:
    traffic.record(Sent(3, 300, 50), NOON)
    traffic.record(Sent(4, 400, -70), NOON + timedelta(seconds=20))
    row = Traffic.objects.get()
    assert (row.events, row.bytes, row.saved) == (7, 700, -20)


@pytest.mark.django_db
@pytest.mark.both_databases
def test_an_hour_is_an_hour() -> None:
    traffic.record(Sent(1, 1), NOON - timedelta(minutes=61))
    traffic.record(Sent(10, 1), NOON - timedelta(minutes=59))
    traffic.record(Sent(100, 1), NOON)
    assert traffic.within_hour(NOON).events == 110


@pytest.mark.django_db
@pytest.mark.both_databases
def test_nothing_sent_is_zero() -> None:
    assert traffic.within_hour(NOON) == Sent(0, 0, 0)


@pytest.mark.django_db
@pytest.mark.both_databases
def test_old_minutes_go_and_new_ones_stay() -> None:
    traffic.record(Sent(1, 1), NOON - timedelta(hours=2))
    traffic.record(Sent(2, 1), NOON)
    assert traffic.prune(NOON - timedelta(hours=1)) == 1
    assert Traffic.objects.get().events == 2


@given(st.lists(st.integers(0, 1000)))
def test_the_meter_adds_up_to_the_highest_total_it_saw(totals: list[int]) -> None:
    meter = traffic.Meter()
    assert sum(meter.added(Sent(total, 2 * total)).events for total in totals) == max(totals, default=0)


def test_a_reading_that_was_not_written_counts_with_the_next() -> None:
    meter = traffic.Meter()
    meter.take_back(meter.added(Sent(5, 50, 500)))
    assert meter.added(Sent(6, 60, 600)) == Sent(6, 60, 600)


def test_a_web_worker_writes_down_what_its_streams_were_sent(
    tmp_path: Path, django_db_blocker: DjangoDbBlocker
) -> None:
    with django_db_blocker.unblock(), running_site(tmp_path, django_db_blocker) as site:
        with site.open(topics="service") as stream:
            for number in range(5):
                site.publish("service", f"s{number}")
            while stream.next("service").data["key"] != "s4":
                pass

        def total() -> int:
            with site.instance.database():
                return Traffic.objects.aggregate(total=Sum("events"))["total"] or 0

        # The stream has ended meanwhile; what it was sent counts all the same.
        site.instance.wait_for(lambda: total() == 5, 10, "the five events to be counted")
        site.assert_quiet()
