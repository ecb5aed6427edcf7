"""What the ends of hooks mean to a service that is not being stopped. Pure moves of the machine."""

from typing import Any

from monitoring.states import Reason
from monitoring.supervisor.moves.ending import hook_told
from monitoring.supervisor.moves.living import start_failed
from monitoring.supervisor.moves.turns import Context, Move, free
from monitoring.supervisor.situation import Situation, Spawn


def pre_start_ended(s: Situation, event: Any, c: Context) -> Move:
    """HookEnded before the start: the process is started, or the start has failed."""
    if event.ok:
        return s, (Spawn(s.run_id),)
    detail = f"Its {event.hook} command failed: {event.detail}"
    return start_failed(s, c, reason=Reason.HOOK_FAILED, detail=detail, hopeless=False)


def post_start_ended(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """HookEnded while it runs: a failure is told, and no more."""
    return s, hook_told(event)


def post_stop_ended(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """HookEnded after a run that ended by itself: nothing stands in the way of a new one."""
    return free(s), hook_told(event)
