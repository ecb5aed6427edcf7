"""What a service shows that is at one of its limits and is not replaced now. Pure moves of the machine."""

from dataclasses import replace

from monitoring.states import Health, Reason
from monitoring.supervisor.happenings import AtLimit
from monitoring.supervisor.moves.turns import Context, Move
from monitoring.supervisor.situation import Situation

LIMITS = frozenset({Reason.MEMORY, Reason.CPU, Reason.MAX_AGE, Reason.MAX_REQUESTS})


def told(s: Situation, event: AtLimit, c: Context) -> Move:  # noqa: ARG001
    """AtLimit: shown until it is so no longer, unless there is something worse to show."""
    if event.detail:
        if s.health is Health.UNHEALTHY:
            return s, ()
        return replace(s, reason=event.reason, detail=event.detail), ()
    if s.reason in LIMITS:
        return replace(s, reason=s.cause, detail=s.cause_detail), ()
    return s, ()
