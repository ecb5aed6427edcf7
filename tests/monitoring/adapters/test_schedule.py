"""A schedule comes true when its expression says so, in its time zone, across every change of the clocks."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.supervisor.schedule import faults, next_time

MINUTE = timedelta(minutes=1)
ZONES = ["", "Europe/Berlin", "America/New_York"]


def times(expression: str, zone: str, after: datetime, count: int) -> list[datetime]:
    found: list[datetime] = []
    while len(found) < count:
        following = next_time(expression, zone, found[-1] if found else after)
        assert following is not None
        found.append(following)
    return found


def local(moments: list[datetime], zone: str) -> list[str]:
    return [f"{moment.astimezone(ZoneInfo(zone)):%m-%d %H:%M %Z}" for moment in moments]


@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        ("30 2 * * 1-5", datetime(2024, 3, 1, 12), datetime(2024, 3, 4, 2, 30)),
        ("*/15 * * * *", datetime(2024, 3, 1, 12, 44, 59), datetime(2024, 3, 1, 12, 45)),
        ("0 0 L * *", datetime(2024, 2, 1), datetime(2024, 2, 29)),
        ("0 0 29 2 *", datetime(2025, 1, 1), datetime(2028, 2, 29)),
        ("0 8 * * MON#1", datetime(2024, 3, 5), datetime(2024, 4, 1, 8)),
        ("0 0 13 * FRI", datetime(2024, 3, 2), datetime(2024, 3, 8)),  # either day will do
        ("@daily", datetime(2024, 3, 1), datetime(2024, 3, 2)),
        ("  @Hourly ", datetime(2024, 3, 1, 0, 30), datetime(2024, 3, 1, 1)),
        ("0 0 1 jan *", datetime(2024, 3, 1), datetime(2025, 1, 1)),
    ],
)
def test_it_comes_true_next(expression: str, after: datetime, expected: datetime) -> None:
    assert next_time(expression, "", after.replace(tzinfo=UTC)) == expected.replace(tzinfo=UTC)


def test_what_falls_into_the_hour_that_is_left_out_runs_once_right_after_it() -> None:
    spring = datetime(2024, 3, 30, 20, tzinfo=UTC)
    assert local(times("30 2 * * *", "Europe/Berlin", spring, 3), "Europe/Berlin") == [
        "03-31 03:00 CEST",
        "04-01 02:30 CEST",
        "04-02 02:30 CEST",
    ]
    assert local(times("0,20,40 2 * * *", "Europe/Berlin", spring, 2), "Europe/Berlin") == [
        "03-31 03:00 CEST",
        "04-01 02:00 CEST",
    ]


def test_what_falls_into_the_hour_that_comes_twice_runs_once() -> None:
    autumn = datetime(2024, 11, 3, 4, tzinfo=UTC)
    assert local(times("30 1 * * *", "America/New_York", autumn, 2), "America/New_York") == [
        "11-03 01:30 EDT",
        "11-04 01:30 EST",
    ]
    within = datetime(2024, 11, 3, 6, 10, tzinfo=UTC)  # 01:10 for the second time
    assert local(times("30 1 * * *", "America/New_York", within, 1), "America/New_York") == [
        "11-04 01:30 EST"
    ]
    assert local(times("0-59 1 * * *", "America/New_York", within, 1), "America/New_York") == [
        "11-04 01:00 EST"
    ]


def test_what_runs_every_hour_does_so_by_real_time() -> None:
    autumn = datetime(2024, 10, 26, 23, tzinfo=UTC)
    assert local(times("30 * * * *", "Europe/Berlin", autumn, 3), "Europe/Berlin") == [
        "10-27 01:30 CEST",
        "10-27 02:30 CEST",
        "10-27 02:30 CET",
    ]


def test_a_midnight_that_is_left_out_is_no_midnight() -> None:
    """In Beirut the clocks go from 00:00 to 01:00 in spring."""
    before = datetime(2024, 3, 30, 20, tzinfo=UTC)
    found = times("*/20 0 * * *", "Asia/Beirut", before, 2)
    assert local(found, "Asia/Beirut") == ["04-01 00:00 EEST", "04-01 00:20 EEST"]


@pytest.mark.parametrize(
    ("expression", "zone", "words"),
    [
        ("", "", "has 0 fields instead of five"),
        ("0 0 * *", "", "has 4 fields instead of five"),
        ("0 0 0 * * *", "", "has 6 fields instead of five"),
        ("61 * * * *", "", "the minute makes no sense"),
        ("0 24 * * *", "", "the hour makes no sense"),
        ("0 0 32 * *", "", "the day-of-month makes no sense"),
        ("0 0 31 2 *", "", "the day-of-month makes no sense"),
        ("0 0 * 13 *", "", "the month makes no sense"),
        ("0 0 * * MOON", "", "the day-of-week makes no sense"),
        ("0 0 */31 2 1L", "", "never comes true"),
        ("@reboot", "", "let autostart start it"),
        ("@lunch", "", "has 1 fields instead of five"),
        ("0 0 * * *", "Europe/Berlln", "no time zone 'Europe/Berlln'"),
        ("0 0 * * *", "../../etc/passwd", "no time zone"),
        ("0 0 * * *", "/etc/localtime", "no time zone"),
        ("0 0 * * *", "a\0b", "no time zone"),
    ],
)
def test_what_makes_no_sense_is_told_in_words(expression: str, zone: str, words: str) -> None:
    (fault,) = faults(expression, zone)
    assert words in fault
    if "never" not in words:
        with pytest.raises(ValueError, match=r"field|sense|autostart|time zone"):
            next_time(expression, zone, datetime(2024, 1, 1, tzinfo=UTC))


def test_each_fault_is_told() -> None:
    assert len(faults("x", "y")) == 2
    assert faults("30 2 * * 1-5", "Europe/Berlin") == []


def test_a_schedule_without_another_time_ends() -> None:
    assert next_time("0 0 */31 2 1L", "", datetime(2024, 1, 1, tzinfo=UTC)) is None
    assert next_time("* * * * *", "", datetime(9999, 12, 31, tzinfo=UTC)) is None


@given(st.text(max_size=100), st.text(max_size=64))
def test_whatever_is_written_is_judged_in_words(expression: str, zone: str) -> None:
    found = faults(expression, zone)
    assert all(isinstance(words, str) and words for words in found)
    if not found:
        next_time(expression, zone, datetime(2024, 1, 1, tzinfo=UTC))


@given(st.lists(st.text("0123456789*,-/#LWMONFRIJAN", min_size=1, max_size=9), min_size=5, max_size=5))
def test_whatever_looks_like_an_expression_is_judged_in_words(fields: list[str]) -> None:
    faults(" ".join(fields), "Europe/Berlin")


# --- against an answer that is found by looking at every minute -------------------------------------


@st.composite
def expressions(draw: st.DrawFn) -> tuple[str, list[set[int]]]:
    """Draw an expression without days of the month, and the values that its four other fields allow."""
    fields, allowed = [], []
    for least, most in ((0, 59), (0, 23), (1, 12), (0, 6)):
        kind = draw(st.sampled_from(["any", "list", "step", "range"]))
        numbers = draw(st.sets(st.integers(least, most), min_size=1, max_size=4))
        if kind == "any":
            fields.append("*")
            allowed.append(set(range(least, most + 1)))
        elif kind == "step":
            step = draw(st.integers(1, 20))
            fields.append(f"*/{step}")
            allowed.append(set(range(least, most + 1, step)))
        elif kind == "range":
            fields.append(f"{min(numbers)}-{max(numbers)}")
            allowed.append(set(range(min(numbers), max(numbers) + 1)))
        else:
            fields.append(",".join(map(str, sorted(numbers))))
            allowed.append(numbers)
    minute, hour, month, weekday = fields
    return f"{minute} {hour} * {month} {weekday}", allowed


def matches(moment: datetime, allowed: list[set[int]]) -> bool:
    parts = (moment.minute, moment.hour, moment.month, moment.isoweekday() % 7)
    return all(part in values for part, values in zip(parts, allowed, strict=True))


NEAR_A_CHANGE = st.sampled_from(
    [
        datetime(2024, 3, 31, 1, tzinfo=UTC),  # Berlin, spring
        datetime(2024, 10, 27, 1, tzinfo=UTC),  # Berlin, autumn
        datetime(2024, 3, 10, 7, tzinfo=UTC),  # New York, spring
        datetime(2024, 11, 3, 6, tzinfo=UTC),  # New York, autumn
    ]
)
MOMENTS = st.one_of(
    st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC)),
    st.builds(
        lambda change, seconds: change + timedelta(seconds=seconds), NEAR_A_CHANGE, st.integers(-9000, 9000)
    ),
)


@given(expressions(), MOMENTS)
def test_in_utc_it_is_the_next_minute_that_matches(
    drawn: tuple[str, list[set[int]]], after: datetime
) -> None:
    expression, allowed = drawn
    found = next_time(expression, "", after)
    assert found is not None
    assert found > after
    assert matches(found, allowed)
    assert found.second == found.microsecond == 0
    minute = after.replace(second=0, microsecond=0) + MINUTE
    for _ in range(2000):
        if minute >= found:
            break
        assert not matches(minute, allowed)
        minute += MINUTE


@given(expressions(), st.sampled_from(ZONES), MOMENTS)
def test_across_changes_of_the_clocks_it_goes_on_and_matches_once_a_minute(
    drawn: tuple[str, list[set[int]]], zone: str, after: datetime
) -> None:
    expression, allowed = drawn
    place = ZoneInfo(zone) if zone else UTC
    moment, seen = after, set()
    for _ in range(30):
        found = next_time(expression, zone, moment)
        assert found is not None
        assert found.tzinfo is UTC
        assert found > moment
        assert found.second == found.microsecond == 0
        assert found not in seen
        seen.add(found)
        there = found.astimezone(place)
        # Either it matches, or it is the first minute after an hour that was left out.
        assert matches(there, allowed) or (found - MINUTE).astimezone(place).utcoffset() != there.utcoffset()
        moment = found


@given(expressions(), st.sampled_from(ZONES), MOMENTS, st.integers(1, 10_000))
def test_it_does_not_matter_from_where_one_looks(
    drawn: tuple[str, list[set[int]]], zone: str, after: datetime, earlier: int
) -> None:
    """Whoever looks in between sees the same next time."""
    found = next_time(drawn[0], zone, after)
    assert found is not None
    between = max(after, found - timedelta(seconds=earlier))
    assert next_time(drawn[0], zone, between) == found
