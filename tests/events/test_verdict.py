"""Health says in words what is wrong, where, and what to do; and nothing where nothing is."""

from typing import Any

import pytest
from django.utils import timezone

from medimgr.events import quality
from medimgr.events.figures import Figures
from medimgr.events.survey import Standing, Survey
from medimgr.events.verdict import judge

LIMIT = 10


def standing(name: str = "n:1", *, alive: bool = True, streams: int = 1, **now: Any) -> Standing:
    moment = timezone.now()
    return Standing(
        name=name, started_at=moment, seen_at=moment, alive=alive, streams=streams, pages=streams, now=now
    )


def recent(figures: Figures, *workers: Standing) -> Survey:
    return Survey(workers=[*workers] or [standing()], counted={}, recent=figures.counted())


def test_all_is_well() -> None:
    verdict = judge(Survey([standing(lag_seconds=0.2, lag_events=1, silent_seconds=1.0)], {}), LIMIT)
    assert (verdict.status, verdict.reason) == ("ok", "")


def test_nobody_has_watched_yet() -> None:
    assert judge(Survey([], {}), LIMIT).status == "idle"


def test_no_worker_reports() -> None:
    verdict = judge(Survey([standing(alive=False), standing("n:2", alive=False)], {}), LIMIT)
    assert verdict.status == "silent"
    assert "manage.py up" in verdict.reason


@pytest.mark.parametrize(("streams", "status"), [(8, "ok"), (9, "degraded"), (10, "full"), (11, "full")])
def test_places_run_out(streams: int, status: str) -> None:
    verdict = judge(Survey([standing(streams=5), standing("n:2", streams=streams - 5)], {}), LIMIT)
    assert verdict.status == status
    assert ("MEDIMGR_STREAM_MAX_CONNECTIONS" in verdict.reason) is (status != "ok")


def test_a_reader_that_is_stuck_is_named() -> None:
    stuck = standing("n:2", silent_seconds=31.0, lag_seconds=40.0, lag_events=3)
    verdict = judge(Survey([standing(silent_seconds=0.4), stuck], {}), LIMIT)
    assert verdict.status == "degraded"
    assert [finding.code for finding in verdict.findings] == ["reader-stuck"]
    assert "n:2" in verdict.reason
    assert "31 s" in verdict.reason


def test_a_reader_that_cannot_keep_up_is_named() -> None:
    behind = standing("n:2", silent_seconds=0.1, lag_seconds=12.0, lag_events=900)
    verdict = judge(Survey([standing(), behind], {}), LIMIT)
    assert [finding.code for finding in verdict.findings] == ["reader-behind"]
    assert "12 s (900 events)" in verdict.reason


def test_a_dead_worker_s_last_words_alarm_nobody() -> None:
    dead = standing("n:2", alive=False, silent_seconds=31.0, lag_seconds=40.0)
    assert judge(Survey([standing(), dead], {}), LIMIT).status == "ok"


@pytest.mark.parametrize(
    ("count", "seconds", "status"), [(19, 3.0, "ok"), (20, 3.0, "degraded"), (500, 0.9, "ok")]
)
def test_late_events_are_told_where_there_are_enough_to_tell(count: int, seconds: float, status: str) -> None:
    figures = Figures()
    for _ in range(count):
        figures.latency.observe(seconds)
    assert judge(recent(figures), LIMIT).status == status


@pytest.mark.parametrize(
    ("code", "status", "word"),
    [
        ("too-many-streams", "degraded", "MEDIMGR_STREAM_MAX_PER_ADDRESS"),
        ("database-away", "degraded", "database"),
        ("shutting-down", "degraded", "replaced"),
        ("not-logged-in", "ok", ""),
        ("not-permitted", "ok", ""),
    ],
)
def test_refusals_of_ours_are_told_and_those_of_the_client_are_not(code: str, status: str, word: str) -> None:
    figures = Figures()
    for _ in range(50):
        figures.opened(replayed_events=0, reset=False)
        figures.refused(code)
    verdict = judge(recent(figures), LIMIT)
    assert verdict.status == status
    assert word in verdict.reason


def test_streams_that_break_while_being_written_to_are_told() -> None:
    figures = Figures()
    for number in range(50):
        figures.opened(replayed_events=0, reset=False)
        figures.ended("write-failed" if number < 5 else "closed")
    verdict = judge(recent(figures), LIMIT)
    assert [finding.code for finding in verdict.findings] == ["failing"]
    assert "10 %" in verdict.reason
    assert "network" in verdict.reason


def test_a_full_house_comes_first() -> None:
    stuck = standing(streams=LIMIT, silent_seconds=60.0)
    verdict = judge(Survey([stuck], {}), LIMIT)
    assert verdict.status == "full"
    assert [finding.code for finding in verdict.findings] == ["full", "reader-stuck"]


# --- figures of quality ------------------------------------------------------------------------------


def test_the_error_rate_counts_what_is_our_fault() -> None:
    figures = Figures()
    for _ in range(6):
        figures.opened(replayed_events=0, reset=False)
    for code in ("too-many-streams", "database-away", "not-logged-in", "bad-stream-request"):
        figures.refused(code)
    figures.ended("write-failed")
    found = quality.errors(figures.counted())
    assert found["error_percent"] == 37.5  # two refusals and a broken stream, of eight
    assert (found["opened"], found["refused"], found["write_errors"]) == (6, 4, 1)
    assert quality.errors({})["error_percent"] == 0


def test_compression_that_costs_is_told_as_well() -> None:
    assert quality.compression({"bytes_wire": 200, "bytes_saved": 800})["saved_percent"] == 80.0
    assert quality.compression({"bytes_wire": 110, "bytes_saved": -10})["saved_percent"] == -10.0
    assert quality.compression({}) == {"bytes_plain": 0, "bytes_sent": 0, "saved_percent": 0.0}


def test_durations_are_told_in_milliseconds() -> None:
    figures = Figures()
    for number in range(100):
        figures.latency.observe(0.004 if number < 98 else 0.4)
    found = quality.durations(figures.latency.stored())
    assert found["count"] == 100
    assert 3 < found["p50"] <= 5
    assert 3 < found["p95"] <= 5
    assert 250 < found["p99"] <= 500
    assert found["mean"] == pytest.approx(11.92)
    assert quality.durations({}) == {"p50": None, "p95": None, "p99": None, "mean": None, "count": 0}
