"""What web workers count adds up over all of them, the departed ones too, and no sum ever falls."""

import math
import time
from typing import Any

import pytest
from django.contrib.auth.models import User
from hypothesis import given
from hypothesis import strategies as st

from medimgr.events import connections, ledger
from medimgr.events.connections import Arrival, forget_worker, give_back
from medimgr.events.figures import Figures
from medimgr.events.histogram import BOUNDS_SECONDS, Histogram, added_up
from medimgr.events.ledger import Ledger, beyond, together
from medimgr.events.models import Connection, DepartedFigures, StreamWorker, new_token
from medimgr.events.subscription import End
from medimgr.events.survey import Survey
from tests.events.arriving import take_place

TREES = st.recursive(
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 100)),
    lambda inner: st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=8,
)


# --- durations -------------------------------------------------------------------------------------


@given(st.lists(st.floats(0.0001, 29.0), min_size=1), st.floats(0.01, 0.99))
def test_a_quantile_is_within_its_class(durations: list[float], share: float) -> None:
    histogram = Histogram()
    for seconds in durations:
        histogram.observe(seconds)
    exact = sorted(durations)[math.ceil(share * len(durations)) - 1]
    low = max((bound for bound in BOUNDS_SECONDS if bound < exact), default=0.0)
    high = min(bound for bound in BOUNDS_SECONDS if bound >= exact)
    found = histogram.quantile(share)
    assert found is not None
    assert low <= found <= high


def test_quantiles_of_an_even_spread_are_where_they_belong() -> None:
    histogram = Histogram()
    for number in range(1, 1001):
        histogram.observe(number / 10_000)  # 0.1 to 100 ms
    assert histogram.quantile(0.5) == pytest.approx(0.05, rel=0.02)
    assert histogram.quantile(0.95) == pytest.approx(0.095, rel=0.02)
    assert histogram.quantile(0.99) == pytest.approx(0.099, rel=0.02)
    assert histogram.count == 1000
    assert Histogram().quantile(0.5) is None


def test_a_duration_beyond_all_classes_and_one_below_nothing_count() -> None:
    histogram = Histogram()
    histogram.observe(1e6)
    histogram.observe(-5.0)
    assert histogram.count == 2
    assert histogram.quantile(0.99) == BOUNDS_SECONDS[-1]
    assert histogram.cumulated()[0] == ("0.001", 1.0)
    assert histogram.cumulated()[-1] == ("+Inf", 2.0)


@given(st.lists(st.floats(0, 100), max_size=20), st.lists(st.floats(0, 100), max_size=20))
def test_histograms_of_two_processes_add_up(one: list[float], other: list[float]) -> None:
    parts = []
    whole = Histogram()
    for durations in (one, other):
        part = Histogram()
        for seconds in durations:
            part.observe(seconds)
            whole.observe(seconds)
        parts.append(part.stored())
    assert added_up(parts).counts == whole.counts
    assert added_up([together(parts)]).counts == whole.counts
    assert added_up(parts).seconds == pytest.approx(whole.seconds, abs=1e-4)


@given(TREES, TREES)
def test_what_is_beyond_a_part_is_the_other_part(one: Any, other: Any) -> None:
    try:
        whole = together([one, other])
    except (TypeError, AttributeError):
        return  # a number here and a table there: two shapes that no release writes
    assert beyond(beyond(whole, one), other) == {}


# --- rows ------------------------------------------------------------------------------------------


pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def arrival(user: User) -> Arrival:
    return Arrival(token=new_token(), user=user, address="192.0.2.1", page="/", topics=["service"])


def opened() -> int:
    return int(Survey.take().counted.get("opened", 0))


def ended() -> dict[str, int]:
    return dict(Survey.take().counted.get("ended", {}))


def test_a_worker_s_figures_come_with_its_lease_and_stay_when_it_retires(alice: User) -> None:
    own = Ledger(Figures())
    coming = arrival(alice)
    take_place(coming)
    own.figures.opened(replayed_events=0, reset=False)
    assert connections.renew_lease(own, {"queued_bytes": 5})
    (standing,) = Survey.take().workers
    assert (standing.now, opened()) == ({"queued_bytes": 5}, 1)
    own.figures.ended("beacon")
    give_back({coming.token: End.BEACON})
    own.figures.sent(10, 1000, 500)  # after the last renewal: retiring tells it, too
    connections.retire(own)
    assert not StreamWorker.objects.exists()
    counted = Survey.take().counted
    assert (opened(), ended(), counted["messages"]["event"]) == (1, {"beacon": 1}, 10)
    assert DepartedFigures.objects.count() == 1


def test_a_worker_that_only_refuses_tells_of_it() -> None:
    own = Ledger(Figures())
    assert not connections.renew_lease(own, {})
    assert not StreamWorker.objects.exists()
    own.figures.refused("too-many-streams")
    assert connections.renew_lease(own, {})
    assert Survey.take().counted["refused"] == {"too-many-streams": 1}


def test_a_worker_that_is_killed_leaves_its_figures_and_its_streams_count_as_ended(alice: User) -> None:
    figures = Figures()
    for _ in range(5):
        figures.opened(replayed_events=0, reset=False)
    figures.ended("closed")
    worker = StreamWorker.objects.create(
        node="elsewhere",
        pid=4711,
        start_ticks=1,
        started_at="2026-11-23T12:00Z",
        seen_at="2026-11-23T12:00Z",
        figures={"counted": figures.counted(), "now": {}},
    )
    now = "2026-11-23T12:00Z"
    for _ in range(6):  # two began after it had last written, and none of those that it wrote of ended
        Connection.objects.create(
            worker=worker, user=alice, address="192.0.2.1", connected_at=now, last_ping_at=now
        )
    assert forget_worker("elsewhere", 4711) == 6
    assert ended() == {"closed": 1, "worker-lost": 6}
    assert opened() == 7
    assert forget_worker("elsewhere", 4711) == 0
    assert opened() == 7


def test_a_worker_taken_for_dead_that_lives_is_not_counted_twice(alice: User) -> None:
    own = Ledger(Figures())
    take_place(arrival(alice))
    own.figures.opened(replayed_events=0, reset=False)
    own.figures.sent(100, 10, 10)
    connections.renew_lease(own, {})
    (row,) = StreamWorker.objects.all()
    forget_worker(row.node, row.pid)
    assert (opened(), ended()) == (1, {"worker-lost": 1})
    # It lives, hears that its stream was given up, and ends it; then a new one comes.
    own.figures.sent(7, 1, 1)
    assert connections.renew_lease(own, {})
    assert (opened(), ended()) == (1, {"worker-lost": 1})
    own.figures.ended("worker-lost")
    take_place(arrival(alice))
    own.figures.opened(replayed_events=0, reset=False)
    assert connections.renew_lease(own, {})
    assert (opened(), ended()) == (2, {"worker-lost": 1})
    assert Survey.take().counted["messages"]["event"] == 107
    connections.retire(own)
    assert (opened(), ended()) == (2, {"worker-lost": 1, "shutdown": 1})


def test_a_row_that_another_has_begun_for_it_is_taken_over(alice: User) -> None:
    """take_place() makes a new row where the old one has gone, before the lease is renewed."""
    own = Ledger(Figures())
    take_place(arrival(alice))
    own.figures.opened(replayed_events=0, reset=False)
    connections.renew_lease(own, {})
    (row,) = StreamWorker.objects.all()
    forget_worker(row.node, row.pid)
    own.figures.ended("worker-lost")
    take_place(arrival(alice))
    own.figures.opened(replayed_events=0, reset=False)
    connections.renew_lease(own, {})
    assert (opened(), ended()) == (2, {"worker-lost": 1})


@given(st.lists(st.sampled_from(["count", "renew", "forget", "retire"]), max_size=25))
def test_sums_never_fall_whatever_the_rows_do(steps: list[str]) -> None:
    StreamWorker.objects.all().delete()
    DepartedFigures.objects.all().delete()
    own = Ledger(Figures())
    told = 0
    for step in steps:
        if step == "count":
            own.figures.refused("too-many-streams")
        elif step == "renew":
            connections.renew_lease(own, {})
        elif step == "retire":
            connections.retire(own)
        else:
            for row in StreamWorker.objects.all():
                forget_worker(row.node, row.pid)
        before, told = told, Survey.take().counted.get("refused", {}).get("too-many-streams", 0)
        assert told >= before
    connections.retire(own)
    assert Survey.take().counted.get("refused", {}).get("too-many-streams", 0) == steps.count("count")


def test_recent_forgets_what_was_long_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    own = Ledger(Figures())
    own.figures.refused("too-many-streams")
    assert own.recent() == {"refused": {"too-many-streams": 1}}
    for _ in range(20):
        now[0] += ledger.RECENT_SECONDS / 10
        own.recent()
    assert own.recent() == {}
    own.figures.refused("too-many-streams")
    assert own.recent() == {"refused": {"too-many-streams": 1}}
