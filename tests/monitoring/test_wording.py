"""Figures and states in the words that operators read."""

from datetime import UTC, datetime

import pytest

from monitoring import wording


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (3660, "1 h 1 min"),
        (86399, "23 h 59 min"),
        (86400, "1 d"),
        (93600, "1 d 2 h"),
        (864000, "10 d"),
    ],
)
def test_an_age_has_two_units_at_most(seconds: float, words: str) -> None:
    assert wording.age(seconds) == words


def test_an_age_of_nothing_is_a_dash() -> None:
    now = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    assert wording.age_of(None, now) == "–"
    assert wording.age_of("2026-11-23T11:58:00Z", now) == "2 min"


@pytest.mark.parametrize(
    ("value", "words"), [(None, "–"), (0.0, "0.0 %"), (9.94, "9.9 %"), (9.95, "10 %"), (250.4, "250 %")]
)
def test_cpu_has_one_decimal_below_ten(value: float | None, words: str) -> None:
    assert wording.percent(value) == words


@pytest.mark.parametrize(
    ("value", "words"), [(None, "–"), (0.4, "0 MB"), (999.4, "999 MB"), (999.5, "1.0 GB"), (2048, "2.0 GB")]
)
def test_memory_turns_into_gigabytes(value: float | None, words: str) -> None:
    assert wording.memory(value) == words


@pytest.mark.parametrize(
    ("reason", "detail", "words"),
    [
        ("crash", "", "ended unexpectedly"),
        ("crash", "exit code 3 after 2 s", "exit code 3 after 2 s"),
        ("", "", ""),
        ("of-a-newer-version", "", "of-a-newer-version"),
    ],
)
def test_the_detail_goes_before_the_reason(reason: str, detail: str, words: str) -> None:
    assert wording.reason_words(reason, detail) == words


@pytest.mark.parametrize(
    ("code", "signal", "reason", "words"),
    [
        (1, "", "crash", "exit code 1, ended unexpectedly"),
        (None, "SIGKILL", "stop-timeout", "by SIGKILL, did not stop in time and was killed"),
        (None, "", "", "exit status not known"),
        (0, "", "completed", "exit code 0, ended as expected"),
    ],
)
def test_the_end_of_a_run_says_how_and_why(code: int | None, signal: str, reason: str, words: str) -> None:
    assert wording.run_end(code, signal, reason) == words


@pytest.mark.parametrize(
    ("running", "total", "resting", "words"),
    [
        (2, 3, 0, "2/3 running"),
        (2, 3, 1, "2/2 running, 1 scheduled"),
        (0, 2, 2, "2 scheduled"),
        (0, 0, 0, ""),
    ],
)
def test_a_group_misses_nothing_that_waits_for_its_time(
    running: int, total: int, resting: int, words: str
) -> None:
    assert wording.rollup(running, total, resting) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.5, "0.5 s"),
        (90, "90 s"),
        (60, "1 min"),
        (3600.0, "1 h"),
        (86400, "1 d"),
        (5400, "90 min"),
        (0, "0 s"),
    ],
)
def test_a_declared_duration_is_said_without_loss(seconds: float, words: str) -> None:
    assert wording.duration(seconds) == words
