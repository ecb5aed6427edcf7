"""Services that are started by the clock and not otherwise. Pure moves of the machine.

Wanted up they wait for their time as EXITED; one run at a time, and no retry between two times.
"""

from dataclasses import replace
from typing import Any

from monitoring.states import Intent, Reason, State
from monitoring.supervisor.moves.turns import Context, Move
from monitoring.supervisor.situation import After, Situation, Tell

_GIVEN_UP = frozenset({Reason.FATAL_EXIT, Reason.DEPENDENCY})
_STILL = {
    State.WAITING: "it still waits to be started for an earlier time",
    State.FATAL: "it has been given up",
}


def due(s: Situation, event: Any, c: Context) -> Move:
    """Due, without a process: wait to be admitted."""
    if not c.spec.schedule or s.intent is Intent.DOWN:
        return s, ()
    if s.state is State.FATAL and s.reason in _GIVEN_UP:
        return skip(s, event, c)
    return replace(
        s,
        state=State.WAITING,
        reason=Reason.SCHEDULE,
        detail="",
        cause=Reason.SCHEDULE,
        cause_detail="",
        held=False,
        timers=(),
    ), ()


def skip(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """Due, and it cannot be started again now: that is written down."""
    if not c.spec.schedule or s.intent is Intent.DOWN:
        return s, ()
    why = _STILL.get(s.state, "its last run has not ended yet")
    return s, (Tell(Reason.SCHEDULE, f"Its time has come, but {why}; this time is skipped."),)


def until_due(s: Situation) -> Situation:
    """Let a scheduled service wait for its time; how its last run ended stays to be seen."""
    if s.state is State.EXITED:
        return s
    return replace(
        s,
        state=State.EXITED,
        reason=Reason.SCHEDULE,
        detail="",
        cause=Reason.SCHEDULE,
        cause_detail="",
        timers=(),
    )


def next_run(c: Context) -> After:
    """Return where a service goes that would be started anew: a scheduled one waits for its time."""
    return After.EXITED if c.spec.schedule else After.START
