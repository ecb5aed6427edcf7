"""What a supervisor makes of the runs that its dead predecessor left. Pure moves of the machine."""

from dataclasses import replace
from typing import Any

from monitoring.states import Intent, ReadyKind, Reason, State
from monitoring.supervisor.happenings import (
    Adopted,
    AdoptGone,
    Exited,
)
from monitoring.supervisor.moves.living import exited
from monitoring.supervisor.moves.schedules import next_run
from monitoring.supervisor.moves.turns import Context, Move, begin_stop, settle, start_timers
from monitoring.supervisor.situation import After, Effect, Situation, Sweep, Timer


def adopted(s: Situation, event: Adopted, c: Context) -> Move:
    """Adopted: same process, no restart; a stop that the predecessor had begun is carried on.

    It is carried on from its first phase: what became of a hook or a request nobody knows.
    """
    there = replace(
        s,
        pid=event.pid,
        needs_restart=event.needs_restart,
        leader_gone=False,
        tree_gone=False,
        hook=None,
        asking=False,
    )
    if s.intent is Intent.DOWN:
        return begin_stop(there, c, after=After.STOPPED, reason=Reason.OPERATOR, detail="")
    if s.state is State.STOPPING:
        return begin_stop(
            replace(there, cause=s.reason), c, after=next_run(c), reason=s.reason, detail=s.detail
        )
    known = replace(
        there, reason=Reason.ADOPTED, detail="", cause=Reason.ADOPTED, cause_detail="", held=False
    )
    if s.state is not State.RUNNING:
        # Nobody wrote down that it had proved itself.
        return replace(known, state=State.STARTING, timers=_start_timers(c)), ()
    rest = max(0.0, c.spec.stable_seconds - event.age)
    return replace(known, state=State.RUNNING, timers=((Timer.STABLE, c.now + rest),)), ()


def _start_timers(c: Context) -> tuple[tuple[Timer, float], ...]:
    if c.spec.readiness.kind is not ReadyKind.NOTIFY:
        return start_timers(c)
    # Its READY=1 may have come while nobody listened, and it is not sent twice.
    return ((Timer.READY, c.now + c.spec.start_seconds),)


def adopt_gone(s: Situation, event: AdoptGone, c: Context) -> Move:
    """AdoptGone where there had been a process: as an exit that nobody saw."""
    sweep: tuple[Effect, ...] = (Sweep(s.run_id),) if s.run_id else ()
    if s.intent is Intent.DOWN:
        if s.run_id:
            return replace(
                s, state=State.STOPPING, leader_gone=True, killed=True, pid=None, after=After.STOPPED
            ), sweep
        return settle(replace(s, leader_gone=False), After.STOPPED, c), ()
    never_there = s.state is State.STARTING and not event.spawned
    if event.rebooted or s.state is State.STOPPING or never_there:
        # Nothing of it has failed. What had not come to its process (a hook ran, perhaps) begins anew.
        cause = Reason.BOOT if event.rebooted else s.reason
        ended = replace(s, leader_gone=bool(s.run_id), cause=cause, cause_detail="")
        return settle(ended, next_run(c), c), sweep
    after, effects = exited(s, Exited(event.run_id, unseen=True), c)
    return (after, effects) if s.run_id else (replace(after, leader_gone=False), ())


def rest_of_old_run(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """AdoptGone where it had ended already: only what may be left of the tree matters."""
    return replace(s, leader_gone=bool(s.run_id)), (Sweep(s.run_id),) if s.run_id else ()
