"""Who of a group may be replaced now: decided without a process (scenario 31)."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from monitoring.handlers import RESTART
from monitoring.states import Health, Intent, State
from monitoring.supervisor.entry import Entry
from monitoring.supervisor.records import Order
from monitoring.supervisor.rolling import (
    GRANTED,
    Member,
    Standing,
    group_of,
    may_replace,
    member,
    others,
    turns,
)
from monitoring.supervisor.situation import After
from monitoring.supervisor.spec import Limits, Needs, ServiceSpec
from tests.monitoring.situations import SITUATIONS, SPEC


def spec(key: str, **fields: Any) -> ServiceSpec:
    return replace(SPEC, key=key, name=key.title(), **fields)


def entry_in(state: State, key: str = "web", instance: int = 0, **facts: Any) -> Entry:
    now = datetime.now(UTC)
    situation = replace(SITUATIONS[state], **facts)
    return Entry(service=1, spec=spec(key, instance=instance), since=now, situation=situation)


def one(key: str = "web", **fields: Any) -> Member:
    values: dict[str, Any] = {"ready": True, "replacing": False, "wanted": True, "min_ready": 0, **fields}
    return Member(key=key, name=key.title(), **values)


def replaced(key: str) -> Member:
    return one(key, ready=False, replacing=True)


def test_without_a_minimum_recycling_needs_no_leave() -> None:
    assert may_replace(one(), [replaced("web-2"), one("web-3", ready=False)]) is GRANTED


def test_without_a_minimum_a_roll_goes_one_by_one() -> None:
    leave = may_replace(one(), [replaced("web-2"), one("web-3")], rolling=True)
    assert (leave.granted, leave.never, leave.why) == (False, False, "Web-2 is being restarted")
    assert may_replace(one(), [one("web-2", ready=False), one("web-3")], rolling=True) is GRANTED


def test_recycling_goes_one_by_one_where_there_is_a_minimum() -> None:
    rest = [replaced("web-2"), one("web-3"), one("web-4")]
    assert not may_replace(one(min_ready=1), rest).granted
    assert may_replace(one(min_ready=1), rest[1:]) is GRANTED


@pytest.mark.parametrize(("ready", "granted"), [(0, False), (1, False), (2, True), (3, True)])
@pytest.mark.parametrize("rolling", [True, False])
def test_so_many_others_as_the_minimum_says_have_to_be_ready(
    ready: int, granted: bool, rolling: bool
) -> None:
    rest = [one(f"web-{number}", ready=number <= ready) for number in range(1, 5)]
    leave = may_replace(one(min_ready=2), rest, rolling=rolling)
    assert leave.granted is granted
    if not granted:
        there = "1 is" if ready else "none is"
        assert leave.why == f"2 others of its group have to be ready, and {there}"


def test_a_roll_replaces_as_many_at_once_as_the_minimum_allows() -> None:
    assert may_replace(one(min_ready=1), [replaced("web-2"), one("web-3")], rolling=True) is GRANTED
    assert not may_replace(one(min_ready=1), [replaced("web-2"), replaced("web-3")], rolling=True).granted


def test_what_is_not_ready_itself_may_always_have_a_new_process() -> None:
    down = one(ready=False, min_ready=2)
    assert may_replace(down, [one("web-2", ready=False)], rolling=True) is GRANTED


def test_a_minimum_that_can_never_be_kept_is_told_instead_of_waited_for() -> None:
    leave = may_replace(
        one(min_ready=2), [one("web-2"), one("web-3", ready=False, wanted=False)], rolling=True
    )
    assert leave.never
    assert leave.why == "2 others of its group have to be ready, and 1 is wanted up"


def test_a_group_is_what_has_the_label_or_else_the_copies() -> None:
    assert group_of(spec(key="web")) == group_of(spec(key="web-2", instance=1)) == "copies of web"
    assert group_of(spec(key="web-2")) == "copies of web-2"
    assert group_of(spec(key="a", group="front")) == group_of(spec(key="b", group="front", instance=1))
    entries = [
        entry_in(State.RUNNING, key=key, instance=n) for n, key in enumerate(("web", "web-2", "web-3"))
    ]
    stranger = entry_in(State.RUNNING, key="db")
    assert others(entries[0], [*entries, stranger]) == entries[1:]


@pytest.mark.parametrize(
    ("state", "facts", "ready", "replacing"),
    [
        (State.RUNNING, {}, True, False),
        (State.RUNNING, {"health": Health.HEALTHY}, True, False),
        (State.RUNNING, {"health": Health.UNHEALTHY}, False, False),
        (State.STARTING, {}, False, True),
        (State.STOPPING, {"after": After.START}, False, True),
        (State.STOPPING, {"after": After.STOPPED, "intent": Intent.DOWN}, False, False),
        (State.BACKOFF, {}, False, False),
        (State.FATAL, {}, False, False),
    ],
)
def test_what_counts_of_a_service(state: State, facts: dict[str, Any], ready: bool, replacing: bool) -> None:
    found = member(entry_in(state, **{"intent": Intent.UP, **facts}))
    assert (found.ready, found.replacing) == (ready, replacing)


def test_what_is_about_to_be_stopped_is_not_counted_on() -> None:
    entry = entry_in(State.RUNNING, intent=Intent.UP)
    assert not member(entry, leaving=True).ready
    assert not member(entry, replacing=True).ready


def orders(*keys: str, batch: str = "roll") -> list[Order]:
    return [Order(n, RESTART, key, batch=batch, rolling=True) for n, key in enumerate(keys, 1)]


def running(key: str, group: str = "", *needs: str, min_ready: int = 0) -> Entry:
    entry = entry_in(State.RUNNING, key)
    entry.spec = replace(
        entry.spec, group=group, needs=tuple(map(Needs, needs)), limits=Limits(min_ready=min_ready)
    )
    return entry


def verdicts(waiting: list[Order], entries: list[Entry], begun: list[Order] | None = None) -> dict[str, str]:
    """Return the answer to each that waits: empty where its turn has come."""
    standing = Standing({order.key: order for order in begun or ()}, frozenset())
    found = turns(waiting, standing, {entry.key: entry for entry in entries})
    return {order.key: leave.why for order, leave in found}


def test_of_a_roll_the_first_begins_and_the_others_wait_for_it() -> None:
    entries = [running(key, "front") for key in ("a", "b", "c")]
    told = "A is being restarted"
    assert verdicts(orders("a", "b", "c"), entries) == {"a": "", "b": told, "c": told}
    waiting = orders("a", "b", "c")
    assert verdicts(waiting[1:], entries, waiting[:1]) == {"b": told, "c": told}


def test_a_roll_of_several_groups_goes_one_by_one_too() -> None:
    entries = [running("a", "front"), running("b", "back"), running("c")]
    told = "A is being restarted"
    assert verdicts(orders("a", "b", "c"), entries) == {"a": "", "b": told, "c": told}


def test_two_rolls_of_one_group_take_turns_and_those_of_two_groups_do_not() -> None:
    entries = [running("a", "front"), running("b", "front"), running("c", "back")]
    waiting = [*orders("a", batch="one"), *orders("b", batch="two"), *orders("c", batch="three")]
    assert verdicts(waiting, entries) == {"a": "", "b": "A is being restarted", "c": ""}


def test_what_others_of_the_roll_need_goes_before_them() -> None:
    entries = [running("front", "", "back"), running("back")]
    assert verdicts(orders("front", "back"), entries) == {"front": "Back goes first", "back": ""}
    waiting = orders("front", "back")
    # With a minimum that allows both at a time, too.
    entries = [running("front", "all", "back", min_ready=1), *(running(key, "all") for key in ("back", "x"))]
    assert verdicts(waiting[:1], entries, waiting[1:]) == {"front": "Back goes first"}
    assert verdicts(waiting[:1], entries) == {"front": ""}


def test_in_a_circle_somebody_goes_first() -> None:
    entries = [running("a", "", "b"), running("b", "", "a")]
    assert verdicts(orders("a", "b"), entries) == {"a": "", "b": "A is being restarted"}


def test_a_roll_begins_as_many_at_once_as_the_minimum_allows() -> None:
    entries = [running(key, "front", min_ready=2) for key in "abcde"]
    told = "2 others of its group have to be ready, and 1 is"
    assert verdicts(orders(*"abcde"), entries) == {"a": "", "b": "", "c": "", "d": told, "e": told}
