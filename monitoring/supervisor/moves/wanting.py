"""What operators, the supervisor and the declaration want of a service. Pure moves of the machine."""

from dataclasses import replace
from typing import Any

from monitoring.states import Intent, Reason, State
from monitoring.supervisor.happenings import (
    Boot,
    Down,
    Restart,
    Shutdown,
    SpecChanged,
    Up,
)
from monitoring.supervisor.moves.ending import end_now
from monitoring.supervisor.moves.schedules import next_run, until_due
from monitoring.supervisor.moves.turns import (
    Context,
    Move,
    afresh,
    begin_stop,
    free,
    retry_timers,
    start_timers,
)
from monitoring.supervisor.readiness import is_told
from monitoring.supervisor.situation import After, Situation, Sweep, Timer


def start(s: Situation, event: Any, c: Context) -> Move:
    """Up or Restart, without a process: wait to be admitted; Up of a scheduled one, for its time."""
    fresh = afresh(s, event.reason)
    if c.spec.schedule and isinstance(event, Up):
        return until_due(fresh), ()
    return replace(fresh, state=State.WAITING, reason=event.reason, detail="", timers=()), ()


def keep_up(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """Up, and on its way up or there already."""
    return replace(s, intent=Intent.UP), ()


def start_after_stop(s: Situation, event: Any, c: Context) -> Move:
    """Up or Restart while stopping: a new process once the old one is gone."""
    after = After.START if isinstance(event, Restart) else next_run(c)
    return replace(afresh(s, event.reason), after=after), ()


def restart(s: Situation, event: Any, c: Context) -> Move:
    """Restart, with a process."""
    fresh = afresh(s, event.reason)
    return begin_stop(fresh, c, after=After.START, reason=event.reason, detail="restarting")


def want_down(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """Down, and it is down already."""
    return replace(s, intent=Intent.DOWN), ()


def end_waiting(s: Situation, event: Any, c: Context) -> Move:
    """Down, Deleted or Shutdown without a process: STOPPED, once nothing is left of its last run."""
    intent, reason = _end_of(s, event)
    ended = replace(
        s,
        state=State.STOPPING if s.run_id else State.STOPPED,
        intent=intent,
        reason=reason,
        detail="",
        after=After.STOPPED,
        held=False,
        flapping=s.flapping and intent is Intent.UP,
        timers=(),
    )
    if s.tree_gone:
        return end_now(ended, c) if _forced(event) else (ended, ())
    return ended, (Sweep(s.run_id),) if s.run_id else ()


def close_down(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """Shutdown of what has ended: only a forced one ends its post-stop hook, too."""
    return (free(s) if event.force and s.tree_gone else s), ()


def stop(s: Situation, event: Any, c: Context) -> Move:
    """Down, Deleted or Shutdown with a process."""
    intent, reason = _end_of(s, event)
    wanted = replace(s, intent=intent, held=False, flapping=s.flapping and intent is Intent.UP)
    return begin_stop(wanted, c, after=After.STOPPED, reason=reason, detail="", force=_forced(event))


def stop_for_good(s: Situation, event: Any, c: Context) -> Move:
    """Down, Deleted or Shutdown while stopping: no new process afterwards; with force, killed now."""
    intent, reason = _end_of(s, event)
    if s.reason is Reason.STOP_TIMEOUT:
        reason = s.reason
    wanted = replace(s, intent=intent, after=After.STOPPED, reason=reason, held=False)
    return end_now(wanted, c) if _forced(event) else (wanted, ())


def _forced(event: Any) -> bool:
    return isinstance(event, Down | Shutdown) and event.force


def _end_of(s: Situation, event: Any) -> tuple[Intent, Reason]:
    if isinstance(event, Shutdown):
        # The operator's own word stays the reason where it came first.
        return s.intent, Reason.SHUTDOWN if s.intent is Intent.UP else s.reason
    return Intent.DOWN, Reason.OPERATOR if isinstance(event, Down) else Reason.DELETED


def set_auto_recovery(s: Situation, event: Any, c: Context) -> Move:
    """Turn auto-recovery on or off: on starts what it was held back from, off ends a backoff."""
    changed = replace(s, auto_recovery=event.on, failures=() if event.on else s.failures)
    if event.on and s.held and s.intent is Intent.UP and s.state in (State.EXITED, State.FATAL):
        return replace(
            changed,
            state=State.WAITING,
            held=False,
            streak=0,
            cause=s.reason,
            cause_detail=s.detail,
            timers=(),
        ), ()
    if not event.on and s.state is State.BACKOFF:
        return replace(
            changed, state=State.EXITED, held=True, reason=s.cause, detail=s.cause_detail, timers=()
        ), ()
    if not event.on and s.state is State.STOPPING and s.after is After.RETRY:
        return replace(changed, after=After.EXITED, held=True), ()
    if event.on and s.state is State.RUNNING and s.reason is Reason.AUTO_RECOVERY_OFF:
        return replace(changed, held=False, bad_probes=0), ()
    del c
    return changed, ()


def boot(s: Situation, event: Boot, c: Context) -> Move:
    """Boot without a process: start what is wanted up."""
    if s.intent is Intent.DOWN:
        return s, ()
    if c.spec.schedule:
        return _boot_scheduled(s, event, c)
    if event.fresh or s.state is State.STOPPED:
        fresh = afresh(s, Reason.BOOT)
        return replace(fresh, state=State.WAITING, reason=Reason.BOOT, detail="", timers=()), ()
    if s.state is State.BACKOFF and not s.timers:
        # The predecessor's timer died with it.
        return replace(s, state=State.WAITING), ()
    return _with_retry(s, c), ()


def _boot_scheduled(s: Situation, event: Boot, c: Context) -> Move:
    if s.state is State.FATAL:
        return _with_retry(s, c), ()
    if s.state is State.WAITING and not event.fresh:
        return s, ()
    return until_due(s), ()


def _with_retry(s: Situation, c: Context) -> Situation:
    if s.state is not State.FATAL or s.timers or s.reason is Reason.DEPENDENCY:
        return s
    timers = retry_timers(s, c)
    return replace(s, timers=timers) if timers else s


def note_spec(s: Situation, event: SpecChanged, c: Context) -> Move:
    """SpecChanged with a process: what it was started with shows as pending, the rest holds at once."""
    changed = replace(s, needs_restart=event.process_differs and s.pid is not None)
    if s.state is State.STARTING and s.pid is not None:
        told = s.due(Timer.START_TIMEOUT) is not None
        if told is not is_told(c.spec):
            changed = replace(changed, timers=start_timers(c))
    return changed, ()


def try_new_spec(s: Situation, event: SpecChanged, c: Context) -> Move:
    """SpecChanged where it could not be started: with another command it may be worth a try."""
    if event.process_differs and s.intent is Intent.UP and s.reason is Reason.SPAWN_ERROR:
        fresh = afresh(s, Reason.CONFIG)
        if c.spec.schedule:
            return until_due(fresh), ()
        return replace(fresh, state=State.WAITING, reason=Reason.CONFIG, detail="", timers=()), ()
    if s.timers and c.spec.fatal_retry <= 0:
        return replace(s, timers=()), ()
    return _with_retry(s, c), ()


def without_schedule(s: Situation, event: SpecChanged, c: Context) -> Move:  # noqa: ARG001
    """SpecChanged while it waits for its time: without a schedule it is started like any other."""
    if c.spec.schedule or s.intent is Intent.DOWN or s.reason is not Reason.SCHEDULE:
        return s, ()
    fresh = afresh(s, Reason.CONFIG)
    return replace(fresh, state=State.WAITING, reason=Reason.CONFIG, detail=""), ()


def give_up(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """Unstartable: what it depends on can never be met."""
    return replace(s, state=State.FATAL, reason=Reason.DEPENDENCY, detail=event.detail, timers=()), ()


def hope_again(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """Startable: its dependencies were the reason that it is FATAL."""
    if s.reason is not Reason.DEPENDENCY or s.intent is Intent.DOWN:
        return s, ()
    if c.spec.schedule:
        return until_due(s), ()
    return replace(s, state=State.WAITING, reason=s.cause, detail=""), ()
