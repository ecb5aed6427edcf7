"""The state machine of one service: one table that names what every event does in every state.

Pure: no clock, no I/O, no ORM, no randomness. Three rules hold for all pairs and are kept in ``step``
rather than in the table: an event about another run than the current one changes nothing; a timer
counts only when it is running and due; whatever operators see is recorded when it changes.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from monitoring.states import HealthKind, State
from monitoring.supervisor import happenings as happened
from monitoring.supervisor import moves
from monitoring.supervisor.moves import Context, Move
from monitoring.supervisor.situation import (
    ArmTimer,
    CancelTimer,
    Effect,
    Record,
    Situation,
    StartProbing,
    StopProbing,
)
from monitoring.supervisor.spec import HealthCheck, ServiceSpec

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
_stay = moves.stay
_start = moves.start
_keep = moves.keep_up
_later = moves.start_after_stop
_renew = moves.restart
_bare = moves.end_waiting
_stop = moves.stop
_final = moves.stop_for_good
_auto = moves.set_auto_recovery
_boot = moves.boot
_note = moves.note_spec
_adopt = moves.adopted
_lost = moves.adopt_gone
_rest = moves.rest_of_old_run
_gone = moves.tree_gone

# fmt: off
TABLE: dict[type, tuple[Handler, ...]] = {
    #                        STOPPED          WAITING          STARTING         RUNNING          STOPPING         BACKOFF          EXITED           FATAL  # noqa: E501
    happened.Up:             (_start,         _keep,           _keep,           _keep,           _later,          _start,          _start,          _start),  # noqa: E501
    happened.Down:           (moves.want_down, _bare,          _stop,           _stop,           _final,          _bare,           _bare,           _bare),  # noqa: E501
    happened.Restart:        (_start,         _start,          _renew,          _renew,          _later,          _start,          _start,          _start),  # noqa: E501
    happened.AutoRecovery:   (_auto,          _auto,           _auto,           _auto,           _auto,           _auto,           _auto,           _auto),  # noqa: E501
    happened.Boot:           (_boot,          _boot,           _stay,           _stay,           _stay,           _boot,           _boot,           _boot),  # noqa: E501
    happened.Shutdown:       (_stay,          _bare,           _stop,           _stop,           _final,          _bare,           _stay,           _stay),  # noqa: E501
    happened.Deleted:        (moves.want_down, _bare,          _stop,           _stop,           _final,          _bare,           _bare,           _bare),  # noqa: E501
    happened.SpecChanged:    (_stay,          _stay,           _note,           _note,           _note,           _stay,           _stay,           moves.try_new_spec),  # noqa: E501
    happened.Unstartable:    (_stay,          moves.give_up,   _stay,           _stay,           _stay,           moves.give_up,   _stay,           _stay),  # noqa: E501
    happened.Startable:      (_stay,          _stay,           _stay,           _stay,           _stay,           _stay,           _stay,           moves.hope_again),  # noqa: E501
    happened.Waits:          (_stay,          moves.show_what_it_waits_for, _stay, _stay,        _stay,           _stay,           _stay,           _stay),  # noqa: E501
    happened.Admitted:       (_stay,          moves.spawn,     _stay,           _stay,           _stay,           _stay,           _stay,           _stay),  # noqa: E501
    happened.BackoffElapsed: (_stay,          _stay,           _stay,           _stay,           _stay,           moves.try_again, _stay,           _stay),  # noqa: E501
    happened.Spawned:        (_stay,          _stay,           moves.spawned,   _stay,           moves.spawned_too_late, _stay,    _stay,           _stay),  # noqa: E501
    happened.SpawnFailed:    (_stay,          _stay,           moves.spawn_failed, _stay,        moves.spawn_failed_while_stopping, _stay, _stay,   _stay),  # noqa: E501
    happened.ReadyElapsed:   (_stay,          _stay,           moves.up_long_enough, _stay,      _stay,           _stay,           _stay,           _stay),  # noqa: E501
    happened.StartTimeout:   (_stay,          _stay,           moves.start_timed_out, _stay,     _stay,           _stay,           _stay,           _stay),  # noqa: E501
    happened.StopTimeout:    (_stay,          _stay,           _stay,           _stay,           moves.stop_timed_out, _stay,      _stay,           _stay),  # noqa: E501
    happened.StableElapsed:  (_stay,          _stay,           _stay,           moves.stable,    _stay,           _stay,           _stay,           _stay),  # noqa: E501
    happened.Probed:         (_stay,          _stay,           moves.probed_while_starting, moves.probed_while_running, _stay, _stay, _stay,        _stay),  # noqa: E501
    happened.Exited:         (_stay,          _stay,           moves.exited,    moves.exited,    moves.leader_gone_while_stopping, _stay, _stay,    _stay),  # noqa: E501
    happened.TreeGone:       (_gone,          _gone,           moves.vanished,  moves.vanished,  moves.tree_gone_while_stopping, _gone, _gone,      _gone),  # noqa: E501
    happened.Adopted:        (_adopt,         _adopt,          _adopt,          _adopt,          _adopt,          _adopt,          _adopt,          _adopt),  # noqa: E501
    happened.AdoptGone:      (_rest,          _rest,           _lost,           _lost,           _lost,           _rest,           _rest,           _rest),  # noqa: E501
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
    handler = TABLE[type(event)][_COLUMN[situation.state]]
    after, effects = handler(situation, event, Context(spec, now, jitter))
    probing = _probing(after, spec)
    if probing != after.probing:
        after = replace(after, probing=probing)
    if after == before:
        return before, effects
    return after, (*_endings(situation, after), *effects, *_beginnings(situation, before, after))


def _probing(s: Situation, spec: ServiceSpec) -> HealthCheck | None:
    """Return the check that should be running."""
    if spec.health.kind is HealthKind.NONE or s.pid is None or s.leader_gone:
        return None
    return spec.health if s.state in (State.STARTING, State.RUNNING) else None


def _endings(old: Situation, new: Situation) -> tuple[Effect, ...]:
    running = {name for name, _ in new.timers}
    effects: list[Effect] = [CancelTimer(name) for name, _ in old.timers if name not in running]
    if old.probing is not None and old.probing != new.probing:
        effects.append(StopProbing())
    return tuple(effects)


def _beginnings(old: Situation, recorded: Situation, new: Situation) -> tuple[Effect, ...]:
    effects: list[Effect] = [ArmTimer(name, at) for name, at in new.timers if (name, at) not in old.timers]
    if new.probing is not None and old.probing != new.probing:
        effects.append(StartProbing(new.run_id, new.probing))
    if recorded.visible() != new.visible():
        effects.append(Record(recorded.state, new.state))
    return tuple(effects)
