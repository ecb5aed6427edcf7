"""Who of a group may be replaced now: decided without a process (scenario 31)."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from monitoring.states import Health, Intent, State
from monitoring.supervisor.entry import Entry
from monitoring.supervisor.rolling import GRANTED, Member, group_of, may_replace, member, others
from monitoring.supervisor.situation import After
from monitoring.supervisor.spec import ServiceSpec
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
    assert (leave.granted, leave.never, leave.why) == (False, False, "Web-2 is being replaced")
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
        assert leave.why == f"{ready} of 2 others that have to be ready are"


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
