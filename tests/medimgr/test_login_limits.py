"""How many wrong logins are too many, and for how long. Pure."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medimgr.lib.login_limits import (
    LONGEST_NAME,
    LoginLimits,
    Tries,
    kept_name,
    shut_for,
    source_of,
    wait_in_words,
)

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LIMITS = LoginLimits(per_name=3, per_address=7, window=timedelta(minutes=15))


def tries(name: str, count: int, *, ago: float = 0.0) -> Tries:
    return Tries(name, count, NOW - timedelta(minutes=ago))


def minutes(*found: Tries, name: str = "alice") -> float:
    return shut_for(found, name, LIMITS, NOW).total_seconds() / 60


def test_the_door_is_open_to_who_has_not_tried() -> None:
    assert minutes() == 0


def test_it_shuts_with_the_last_try_that_is_taken() -> None:
    assert minutes(tries("alice", 2)) == 0
    assert minutes(tries("alice", 3)) == 15


def test_it_stays_shut_for_the_window_after_the_last_try() -> None:
    assert minutes(tries("alice", 3, ago=5)) == 10
    assert minutes(tries("alice", 3, ago=15)) == 0


def test_another_name_is_let_in_from_the_same_address() -> None:
    assert minutes(tries("alice", 3), name="bob") == 0


def test_an_address_that_goes_through_names_is_shut_out_with_all_of_them() -> None:
    names = [tries(name, 2, ago=number) for number, name in enumerate(("a", "b", "c"))]
    assert minutes(*names, name="new") == 0
    assert minutes(*names, tries("d", 1, ago=3), name="new") == pytest.approx(12), (
        "until the oldest is too old"
    )


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 9), st.floats(0, 40))))
def test_a_shut_door_opens_exactly_when_it_says(found: list[tuple[str, int, float]]) -> None:
    rows = [tries(name, count, ago=ago) for name, count, ago in found]
    wait = shut_for(rows, "a", LIMITS, NOW)
    assert shut_for(rows, "a", LIMITS, NOW + wait) == timedelta()
    if wait > timedelta(milliseconds=1):
        assert shut_for(rows, "a", LIMITS, NOW + wait - timedelta(milliseconds=1)) > timedelta()


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::"),
        ("2001:db8:1:3::1", "2001:db8:1:3::"),
        ("", None),
        ("a socket of the system", None),
    ],
)
def test_of_ipv6_the_network_counts(address: str, source: str | None) -> None:
    assert source_of(address) == source


@given(st.text())
def test_a_name_is_kept_in_a_form_that_every_table_takes(name: str) -> None:
    kept = kept_name(name)
    assert len(kept) <= LONGEST_NAME
    assert kept.isprintable()
    kept.encode()


def test_what_is_fit_for_a_name_is_kept_as_it_is() -> None:
    assert kept_name("Ünsal.O'Brien+x@example.org") == "Ünsal.O'Brien+x@example.org"
    assert kept_name("\N{FULLWIDTH LATIN SMALL LETTER A}lice") == "alice"
    assert kept_name("a\0b\ud800") == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "1 minute"), (60, "1 minute"), (61, "2 minutes"), (900, "15 minutes")]
)
def test_a_wait_is_told_in_whole_minutes(seconds: float, words: str) -> None:
    assert wait_in_words(seconds) == words
