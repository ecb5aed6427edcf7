"""The supervisor's state machine: every pair of state and event is defined, and three rules hold for all."""

import ast
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monitoring.states import Intent, State
from monitoring.supervisor import happenings as happened
from monitoring.supervisor import machine
from monitoring.supervisor.machine import STATES, TABLE, step
from monitoring.supervisor.situation import (
    Record,
)
from tests.monitoring.situations import EVENTS, NOW, PROBED, RUN, SITUATIONS, SPEC, run, running


def test_every_pair_of_state_and_event_is_defined() -> None:
    """Scenario 1."""
    assert set(TABLE) == {type(event) for event in EVENTS}
    assert set(STATES) == set(State) - {State.UNKNOWN}
    for event, row in TABLE.items():
        assert len(row) == len(STATES), f"{event.__name__} does not name a move for every state"
        assert all(callable(move) for move in row)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
@pytest.mark.parametrize("state", STATES)
def test_every_pair_can_be_taken(state: State, event: happened.Event) -> None:
    for spec in (SPEC, PROBED):
        after, effects = step(SITUATIONS[state], event, spec, NOW)
        assert after.state in STATES
        for effect in effects:
            assert getattr(effect, "run_id", after.run_id or RUN) in (after.run_id, RUN)


@pytest.mark.parametrize("state", STATES)
def test_every_state_accepts_down(state: State) -> None:
    after, _ = run(SITUATIONS[state], happened.Down())
    assert after.intent is Intent.DOWN
    assert after.state in (State.STOPPED, State.STOPPING)


@pytest.mark.parametrize(
    "event", [event for event in EVENTS if isinstance(event, happened.ProcessEvent)], ids=type
)
@pytest.mark.parametrize("state", STATES)
def test_an_event_of_another_run_changes_nothing(state: State, event: Any) -> None:
    stale = replace(event, run_id="run-0")
    situation = SITUATIONS[state]
    assert step(situation, stale, SPEC, NOW) == (situation, ())


def test_a_timer_that_is_not_due_changes_nothing() -> None:
    situation = SITUATIONS[State.BACKOFF]
    assert step(situation, happened.BackoffElapsed(), SPEC, NOW - 0.1) == (situation, ())


def test_what_operators_see_is_recorded_exactly_when_it_changes() -> None:
    _, effects = step(running(), happened.Down(), SPEC, NOW)
    assert effects[-1] == Record(State.RUNNING, State.STOPPING)
    _, effects = step(running(), happened.StableElapsed(RUN), SPEC, NOW)
    assert not any(isinstance(effect, Record) for effect in effects)


def test_the_machine_is_pure() -> None:
    """No clock, no I/O, no ORM, no chance: it imports words, data and its own rooms alone."""
    allowed = {"collections.abc", "dataclasses", "typing", "enum", "pathlib"}
    own = {"machine", "policy", "moves", "situation", "happenings", "spec", "readiness"}
    folder = Path(machine.__file__).parent
    files = [folder / f"{name}.py" for name in own - {"moves"}] + list((folder / "moves").glob("*.py"))
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [str(node.module)]
            for name in names:
                room = name.removeprefix("monitoring.supervisor").strip(".").partition(".")[0]
                fine = (
                    name in allowed
                    or name == "monitoring.states"
                    or (name.startswith("monitoring.supervisor") and room in own | {""})
                )
                assert fine, f"{file.name} imports {name}"
