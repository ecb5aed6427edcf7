"""The state machine of one service: one table that names what every event does in every state.

Pure: no clock, no I/O, no ORM, no randomness. Four rules hold for all pairs and are kept in ``step``
rather than in the table: an event about another run than the current one changes nothing; a timer
counts only when it is running and due; the end of a hook or of a request counts only while it is under
way; whatever operators see is recorded when it changes.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from monitoring.states import HealthKind, State
from monitoring.supervisor import happenings as happened
from monitoring.supervisor.moves import adopting, ending, hooks, limits, living, schedules, wanting
from monitoring.supervisor.moves.turns import Context, Move, stay
from monitoring.supervisor.readiness import awaited, check_while_starting
from monitoring.supervisor.situation import (
    ArmTimer,
    AskToStop,
    CancelHook,
    CancelTimer,
    Effect,
    Record,
    RunHook,
    Situation,
    StartProbing,
    StopAsking,
    StopProbing,
    UnwatchReady,
    WatchReady,
)
from monitoring.supervisor.spec import HealthCheck, Readiness, ServiceSpec

Handler = Callable[[Situation, Any, Context], Move]

STATES = (
    State.STOPPED,
    State.WAITING,
    State.STARTING,
    State.RUNNING,
    State.STOPPING,
    State.BACKOFF,
    State.EXITED,
    State.FATAL,
)
"""The columns of the table. UNKNOWN is for readers: a supervisor always knows."""

_CLOCK_GRAIN = 0.001
_stay = stay
_start = wanting.start
_keep = wanting.keep_up
_later = wanting.start_after_stop
_renew = wanting.restart
_down = wanting.want_down
_bare = wanting.end_waiting
_stop = wanting.stop
_final = wanting.stop_for_good
_auto = wanting.set_auto_recovery
_boot = wanting.boot
_note = wanting.note_spec
_retry = wanting.try_new_spec
_never = wanting.give_up
_hope = wanting.hope_again
_close = wanting.close_down
_clock = wanting.without_schedule
_shown = living.show_what_it_waits_for
_spawn = living.spawn
_there = living.spawned
_fails = living.spawn_failed
_ready = living.up_long_enough
_heard = living.heard_to_be_ready
_late = living.start_timed_out
_first = living.probed_while_starting
_probe = living.probed_while_running
_stable = living.stable
_renews = living.recycle
_limit = limits.told
_exit = living.exited
_gone = living.tree_gone
_lone = living.vanished
_again = living.try_again
_once = living.try_once_more
_due = schedules.due
_skip = schedules.skip
_begin = hooks.pre_start_ended
_tell = hooks.post_start_ended
_over = hooks.post_stop_ended
_next = ending.hook_ended_while_stopping
_asked = ending.stop_asked
_signal = ending.stop_request_timed_out
_tardy = ending.spawned_too_late
_none = ending.spawn_failed_while_stopping
_kill = ending.stop_timed_out
_rest = ending.leader_gone_while_stopping
_empty = ending.tree_gone_while_stopping
_adopt = adopting.adopted
_lost = adopting.adopt_gone
_left = adopting.rest_of_old_run

# fmt: off
TABLE: dict[type, tuple[Handler, ...]] = {
    #                             STOPPED  WAITING  STARTING RUNNING  STOPPING BACKOFF  EXITED   FATAL
    happened.Up:                  (_start,  _keep,   _keep,   _keep,   _later,  _start,  _start,  _start),
    happened.Down:                (_down,   _bare,   _stop,   _stop,   _final,  _bare,   _bare,   _bare),
    happened.Restart:             (_start,  _start,  _renew,  _renew,  _later,  _start,  _start,  _start),
    happened.AutoRecovery:        (_auto,   _auto,   _auto,   _auto,   _auto,   _auto,   _auto,   _auto),
    happened.Boot:                (_boot,   _boot,   _stay,   _stay,   _stay,   _boot,   _boot,   _boot),
    happened.Shutdown:            (_close,  _bare,   _stop,   _stop,   _final,  _bare,   _close,  _close),
    happened.Deleted:             (_down,   _bare,   _stop,   _stop,   _final,  _bare,   _bare,   _bare),
    happened.SpecChanged:         (_stay,   _stay,   _note,   _note,   _note,   _stay,   _clock,  _retry),
    happened.Unstartable:         (_stay,   _never,  _stay,   _stay,   _stay,   _never,  _stay,   _stay),
    happened.Startable:           (_stay,   _stay,   _stay,   _stay,   _stay,   _stay,   _stay,   _hope),
    happened.Waits:               (_stay,   _shown,  _stay,   _stay,   _stay,   _stay,   _stay,   _stay),
    happened.Admitted:            (_stay,   _spawn,  _stay,   _stay,   _stay,   _stay,   _stay,   _stay),
    happened.BackoffElapsed:      (_stay,   _stay,   _stay,   _stay,   _stay,   _again,  _stay,   _stay),
    happened.RetryElapsed:        (_stay,   _stay,   _stay,   _stay,   _stay,   _stay,   _stay,   _once),
    happened.Due:                 (_stay,   _skip,   _skip,   _skip,   _skip,   _due,    _due,    _due),
    happened.Spawned:             (_stay,   _stay,   _there,  _stay,   _tardy,  _stay,   _stay,   _stay),
    happened.SpawnFailed:         (_stay,   _stay,   _fails,  _stay,   _none,   _stay,   _stay,   _stay),
    happened.ReadyElapsed:        (_stay,   _stay,   _ready,  _stay,   _stay,   _stay,   _stay,   _stay),
    happened.Ready:               (_stay,   _stay,   _heard,  _stay,   _stay,   _stay,   _stay,   _stay),
    happened.StartTimeout:        (_stay,   _stay,   _late,   _stay,   _stay,   _stay,   _stay,   _stay),
    happened.HookEnded:           (_over,   _over,   _begin,  _tell,   _next,   _over,   _over,   _over),
    happened.Recycle:             (_stay,   _stay,   _stay,   _renews, _stay,   _stay,   _stay,   _stay),
    happened.AtLimit:             (_stay,   _stay,   _stay,   _limit,  _stay,   _stay,   _stay,   _stay),
    happened.StopAsked:           (_stay,   _stay,   _stay,   _stay,   _asked,  _stay,   _stay,   _stay),
    happened.StopRequestTimeout:  (_stay,   _stay,   _stay,   _stay,   _signal, _stay,   _stay,   _stay),
    happened.StopTimeout:         (_stay,   _stay,   _stay,   _stay,   _kill,   _stay,   _stay,   _stay),
    happened.StableElapsed:       (_stay,   _stay,   _stay,   _stable, _stay,   _stay,   _stay,   _stay),
    happened.Probed:              (_stay,   _stay,   _first,  _probe,  _stay,   _stay,   _stay,   _stay),
    happened.Exited:              (_stay,   _stay,   _exit,   _exit,   _rest,   _stay,   _stay,   _stay),
    happened.TreeGone:            (_gone,   _gone,   _lone,   _lone,   _empty,  _gone,   _gone,   _gone),
    happened.Adopted:             (_adopt,  _adopt,  _adopt,  _adopt,  _adopt,  _adopt,  _adopt,  _adopt),
    happened.AdoptGone:           (_left,   _left,   _lost,   _lost,   _lost,   _left,   _left,   _left),
}
# fmt: on

_COLUMN = {state: column for column, state in enumerate(STATES)}


def step(
    situation: Situation,
    event: happened.Event,
    spec: ServiceSpec,
    now: float,
    jitter: float = 0.0,
) -> tuple[Situation, tuple[Effect, ...]]:
    """Return what ``event`` makes of the situation, and the effects to carry out, in order.

    ``now`` is monotonic seconds, ``jitter`` a number from -1 to 1 that spreads the backoff. An event
    that changes nothing returns the very same object and no effects.
    """
    if isinstance(event, happened.ProcessEvent) and event.run_id != situation.run_id:
        return situation, ()
    before = situation
    timer = happened.TIMERS.get(type(event))
    if timer is not None:
        due = situation.due(timer)
        if due is None or now + _CLOCK_GRAIN < due:
            return situation, ()
        situation = replace(situation, timers=tuple(t for t in situation.timers if t[0] is not timer))
    elif isinstance(event, happened.HookEnded):
        if event.hook is not situation.hook:
            return situation, ()
        situation = replace(situation, hook=None)
    elif isinstance(event, happened.StopAsked):
        if not situation.asking:
            return situation, ()
        situation = replace(situation, asking=False)
    handler = TABLE[type(event)][_COLUMN[situation.state]]
    after, effects = handler(situation, event, Context(spec, now, jitter))
    probing, awaiting = _probing(after, spec), _awaiting(after, spec)
    if probing != after.probing or awaiting != after.awaiting:
        after = replace(after, probing=probing, awaiting=awaiting)
    if after == before:
        return before, effects
    return after, (*_endings(situation, after), *effects, *_beginnings(situation, before, after))


def _probing(s: Situation, spec: ServiceSpec) -> HealthCheck | None:
    """Return the check that should be running: before it is RUNNING what tells that it is ready."""
    if s.pid is None or s.leader_gone:
        return None
    if s.state is State.RUNNING:
        return spec.health if spec.health.kind is not HealthKind.NONE else None
    return check_while_starting(spec) if s.state is State.STARTING else None


def _awaiting(s: Situation, spec: ServiceSpec) -> Readiness | None:
    """Return what should be watched for."""
    return awaited(spec) if s.state is State.STARTING and s.pid is not None else None


def _endings(old: Situation, new: Situation) -> tuple[Effect, ...]:
    running = {name for name, _ in new.timers}
    effects: list[Effect] = [CancelTimer(name) for name, _ in old.timers if name not in running]
    if old.probing is not None and old.probing != new.probing:
        effects.append(StopProbing())
    if old.hook is not None and old.hook is not new.hook:
        effects.append(CancelHook(old.run_id, old.hook))
    if old.asking and not new.asking:
        effects.append(StopAsking())
    if old.awaiting is not None and old.awaiting != new.awaiting:
        effects.append(UnwatchReady())
    return tuple(effects)


def _beginnings(old: Situation, recorded: Situation, new: Situation) -> tuple[Effect, ...]:
    effects: list[Effect] = [ArmTimer(name, at) for name, at in new.timers if (name, at) not in old.timers]
    if new.probing is not None and old.probing != new.probing:
        effects.append(StartProbing(new.run_id, new.probing))
    if new.awaiting is not None and old.awaiting != new.awaiting:
        effects.append(WatchReady(new.run_id, new.awaiting))
    if new.hook is not None and old.hook is not new.hook:
        effects.append(RunHook(new.run_id, new.hook))
    if new.asking and not old.asking:
        effects.append(AskToStop(new.run_id))
    if recorded.visible() != new.visible():
        effects.append(Record(recorded.state, new.state))
    return tuple(effects)
