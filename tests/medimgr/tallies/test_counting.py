"""Counts that never fall: exact where a transaction counts, gathered where a process does."""

import threading
from typing import Any

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from medimgr.tallies import counting
from medimgr.tallies.counting import Count, Durations, add, kept, together
from medimgr.tallies.gathering import Gathering

SEEN = Count("medimgr_seen", "Seen.", ("who", "what"))
TOOK = Durations("medimgr_took_seconds", "Took.", ("who",), (0.1, 1.0, 10.0))
both = pytest.mark.both_databases


@both
@pytest.mark.django_db
def test_what_is_added_stands_beside_what_was_there() -> None:
    add(SEEN.grown("a", "x"), SEEN.grown("b", "x", by=2))
    add(SEEN.grown("a", "x"), SEEN.grown("a", "x"))
    assert kept()[SEEN.name] == {("a", "x"): 3, ("b", "x"): 2}


@both
@pytest.mark.django_db
def test_labels_hold_any_text() -> None:
    who = 'quote" \\ comma, [bracket] \n ünïcode 测试'
    add(SEEN.grown(who, "x"))
    add(SEEN.grown(who, "x"))
    assert kept()[SEEN.name] == {(who, "x"): 2}


@pytest.mark.django_db
def test_many_at_once_take_one_statement() -> None:
    with CaptureQueriesContext(connection) as asked:
        add(*(SEEN.grown(str(number), "x") for number in range(150)))
    assert len([query for query in asked if "INSERT" in query["sql"]]) == 1
    add(*(SEEN.grown(str(number), "y") for number in range(1000)))
    assert sum(kept()[SEEN.name].values()) == 1150


def test_labels_and_values_have_to_fit() -> None:
    with pytest.raises(ValueError, match="2 values"):
        Count("n", "w", ("one",)).grown("a", "b")


@both
@pytest.mark.django_db
def test_what_a_transaction_counts_goes_with_it() -> None:
    class Away(Exception):
        pass

    add(SEEN.grown("a", "x"))

    def fail() -> None:
        with transaction.atomic():
            add(SEEN.grown("a", "x"))
            raise Away

    with pytest.raises(Away):
        fail()
    assert kept()[SEEN.name] == {("a", "x"): 1}


@both
@pytest.mark.django_db(transaction=True)
def test_nothing_is_lost_where_many_count_at_the_same_time() -> None:
    begin = threading.Barrier(4)
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            begin.wait(10)
            for turn in range(25):
                # Given in another order by each, which must not make them wait for one another.
                order = ("a", "b", "c") if (number + turn) % 2 else ("c", "b", "a")
                add(*(SEEN.grown(who, "x") for who in order))
        except BaseException as error:
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not failures
    assert kept()[SEEN.name] == {("a", "x"): 100, ("b", "x"): 100, ("c", "x"): 100}


@pytest.mark.django_db
def test_what_names_something_that_is_gone_is_forgotten() -> None:
    add(SEEN.grown("a", "x"), SEEN.grown("b", "x"))
    assert counting.forget(SEEN, [("a", "x"), ("none", "x")]) == 1
    assert counting.forget(SEEN, []) == 0
    assert kept()[SEEN.name] == {("b", "x"): 1}


# --- durations -------------------------------------------------------------------------------------


@both
@pytest.mark.django_db
def test_durations_fall_into_their_classes_and_sum_up() -> None:
    add(*(TOOK.seen(seconds, "a") for seconds in (0.05, 0.1, 0.5, 10.0, 99.0)), TOOK.seen(2.0, "b"))
    buckets, seconds = TOOK.cumulated(kept(), ("a",))
    assert buckets == [("0.1", 2), ("1.0", 3), ("10.0", 4), ("+Inf", 5)]
    assert seconds == pytest.approx(109.65)


def as_kept(added: counting.Added) -> Any:
    import json

    result: dict[str, dict[tuple[str, ...], float]] = {}
    for (name, labels), value in added.items():
        result.setdefault(name, {})[tuple(json.loads(labels))] = value
    return result


@given(
    st.lists(st.floats(-5, 5000, allow_nan=False), max_size=30), st.lists(st.floats(0.01, 900), max_size=5)
)
def test_no_duration_is_lost_whichever_classes_a_release_has(seen: list[float], bounds: list[float]) -> None:
    added = as_kept(together(TOOK.seen(seconds, "a") for seconds in seen))
    other = Durations(TOOK.name, TOOK.words, TOOK.labels, sorted(set(bounds)))
    buckets, seconds = other.cumulated(added, ("a",))
    counts = [count for _, count in buckets]
    assert counts[-1] == len(seen)
    assert counts == sorted(counts)
    assert seconds == pytest.approx(sum(max(0.0, one) for one in seen))


# --- gathered by a process -------------------------------------------------------------------------


@pytest.mark.django_db
def test_what_is_gathered_is_written_once() -> None:
    gathering = Gathering()
    for _ in range(3):
        gathering.add(SEEN.grown("a", "x"))
    with CaptureQueriesContext(connection) as asked:
        gathering.write()
    assert len([query for query in asked if "INSERT" in query["sql"]]) == 1
    with CaptureQueriesContext(connection) as asked:
        gathering.write()
    assert len(asked) == 0
    assert kept()[SEEN.name] == {("a", "x"): 3}


@pytest.mark.django_db
def test_what_could_not_be_written_is_kept_for_the_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    gathering = Gathering()
    gathering.add(SEEN.grown("a", "x"))
    with monkeypatch.context() as away:
        away.setattr(counting, "add", lambda *_: (_ for _ in ()).throw(OperationalError("away")))
        with pytest.raises(OperationalError):
            gathering.write()
    gathering.add(SEEN.grown("a", "x"))
    gathering.write()
    assert kept()[SEEN.name] == {("a", "x"): 2}
