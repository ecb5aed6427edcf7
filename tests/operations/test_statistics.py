"""How operations went, for all and for each kind: of what is kept, and of those that ended last."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from operations import statistics as figures
from operations.states import Status
from operations.statistics import Record, statistics
from tests.operations.rows import made

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def test_each_kind_has_its_ends_rate_and_durations() -> None:
    for seconds in (1.0, 2.0, 3.0):
        made(kind="service.stop", took=seconds)
    made(kind="service.stop", status=Status.FAILED, took=9.0)
    made(kind="service.stop", status=Status.TIMEOUT, took=30.0)
    made(kind="service.stop", status=Status.CANCELLED, took=0.0, started_at=None)
    made(kind="service.start", took=5.0)
    made("running", kind="service.start", status=Status.RUNNING)
    found = statistics()
    start, stop = found["kinds"]
    assert (start["kind"], start["label"], start["finished"], start["failure_rate"]) == (
        "service.start", "Start", 1, 0.0,
    )  # fmt: skip
    assert (stop["success"], stop["failed"], stop["timeout"], stop["cancelled"]) == (3, 1, 1, 1)
    assert stop["finished"] == 6
    assert stop["failure_rate"] == round(2 / 6, 4)
    took = stop["duration_seconds"]
    assert (took["median"], took["p95"], took["longest"]) == (3.0, 30.0, 30.0)  # what never began counts not
    assert took["average"] == 9.0
    assert (found["sampled"], found["total"], found["active"]) == (7, 8, 1)
    assert found["failure_rate"] == round(2 / 7, 4)


@pytest.mark.parametrize(("count", "p95"), [(1, 1), (19, 19), (20, 19), (100, 95), (101, 96)])
def test_nineteen_in_twenty_took_no_longer_than_p95(count: int, p95: int) -> None:
    record = Record(seconds=[float(number) for number in range(count, 0, -1)])
    assert record.durations()["p95"] == p95


def test_rates_are_of_those_that_ended_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "SAMPLE", 3)
    for _ in range(5):
        made(status=Status.FAILED, ago=timedelta(hours=2))
    for _ in range(3):
        made(status=Status.SUCCESS, ago=timedelta(hours=1))
    made(status=Status.FAILED, ago=timedelta(hours=3))
    found = statistics()
    assert (found["sampled"], found["sample_limit"], found["failure_rate"]) == (3, 3, 0.0)
    assert found["by_status"]["FAILED"] == 6  # counts are of all that is kept


def test_a_clock_that_was_set_back_makes_no_negative_duration() -> None:
    made(took=-60.0)
    assert statistics()["duration_seconds"]["median"] == 0.0


def test_of_nothing_nothing_is_claimed() -> None:
    found = statistics()
    assert (found["sampled"], found["kinds"], found["failure_rate"], found["oldest"]) == (0, [], None, None)


def test_four_queries_whatever_there_is() -> None:
    for number in range(30):
        made(kind=f"service.kind-{number % 7}")
    with CaptureQueriesContext(connection) as asked:
        statistics()
    assert len(asked) == 4
