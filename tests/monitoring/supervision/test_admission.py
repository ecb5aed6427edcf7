"""Who may start now, and who never can."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from monitoring.states import Condition, Health, HealthKind, State
from monitoring.supervisor.admission import Admission, impossible, starts_at_once
from monitoring.supervisor.entry import Entry
from monitoring.supervisor.situation import Situation
from monitoring.supervisor.spec import HealthCheck, Needs, ServiceSpec


def entry(key: str, *needs: Needs, state: State = State.WAITING, priority: int = 100) -> Entry:
    spec = ServiceSpec(key, key.title(), ("x",), needs=needs, priority=priority)
    return Entry(1, spec, datetime.now(UTC), Situation(state=state))


def admission(*entries: Entry) -> Admission:
    made = Admission({one.key: one for one in entries}, lambda _: "")
    made.declarations_changed()
    return made


def test_what_is_needed_has_to_run() -> None:
    database, backend = entry("database", state=State.STARTING), entry("backend", Needs("database"))
    made = admission(database, backend)
    assert made.unmet(backend) == "waiting for Database"
    database.situation = Situation(state=State.RUNNING)
    assert made.unmet(backend) == ""


def test_what_will_not_come_by_itself_is_said() -> None:
    database, backend = entry("database", state=State.STOPPED), entry("backend", Needs("database"))
    made = admission(database, backend)
    assert made.unmet(backend) == "waiting for Database, which is stopped; start it too"


def test_healthy_waits_for_the_probe_where_there_is_one() -> None:
    needs = Needs("database", Condition.HEALTHY)
    database, backend = entry("database", state=State.RUNNING), entry("backend", needs)
    made = admission(database, backend)
    assert made.unmet(backend) == ""
    database.spec = ServiceSpec(
        "database", "Database", ("x",), health=HealthCheck(kind=HealthKind.TCP, port=1)
    )
    assert made.unmet(backend) == "waiting for Database"
    database.situation = Situation(state=State.RUNNING, health=Health.HEALTHY)
    assert made.unmet(backend) == ""


def test_places_are_given_by_priority_and_bounded() -> None:
    entries = [entry(f"s{n}", priority=100 - n) for n in range(10)]
    made = admission(*entries)
    made.limit = 3
    for one in entries:
        made.offer(one)
    started = []
    while (one_more := made.next()) is not None:
        made.take_place(one_more.key, f"run-{one_more.key}")
        one_more.situation = Situation(state=State.STARTING)
        started.append(one_more.key)
    assert started == ["s9", "s8", "s7"]
    made.leave_place("s9", "an earlier run")
    assert made.next() is None
    made.leave_place("s9", "run-s9")
    following = made.next()
    assert following is not None
    assert following.key == "s6"


def test_what_is_offered_twice_or_has_changed_its_mind_is_not_started_for_it() -> None:
    one = entry("one")
    made = admission(one)
    made.offer(one)
    made.offer(one)
    one.situation = Situation(state=State.STOPPED)
    assert made.next() is None


def test_nothing_starts_once_closed() -> None:
    one = entry("one")
    made = admission(one)
    made.offer(one)
    made.closed = True
    assert made.next() is None


def test_at_least_four_start_at_once() -> None:
    assert starts_at_once() >= 4


def test_two_circles_are_both_found_and_the_rest_is_possible() -> None:
    specs = {
        "a": [Needs("b")],
        "b": [Needs("a")],
        "c": [Needs("d")],
        "d": [Needs("e")],
        "e": [Needs("c")],
        "free": [Needs("a")],
        "lost": [Needs("nowhere")],
    }
    found = impossible(specs, {"a": "Alpha"})
    assert set(found) == {"a", "b", "c", "d", "e", "lost"}
    assert "Alpha needs b needs Alpha" in found["a"]
    assert "nowhere" in found["lost"]


@given(
    st.dictionaries(
        st.sampled_from("abcdefg"), st.lists(st.sampled_from("abcdefg"), unique=True, max_size=3), max_size=7
    )
)
def test_what_is_called_possible_can_be_started_in_some_order(edges: dict[str, list[str]]) -> None:
    found = impossible({key: [Needs(n) for n in needed] for key, needed in edges.items()}, {})
    started = set(found)  # as if somebody had mended those
    left = set(edges) - started
    while ready := {key for key in left if set(edges[key]) <= started}:
        started |= ready
        left -= ready
    assert not left
