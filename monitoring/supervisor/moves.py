"""What each event does to a service in each state: the moves that the machine's table names. Pure.

A move takes the situation, the event and the context and returns the new situation with what has to be
done. It need not care for recording, for arming and cancelling timers or for starting and stopping
probes: ``machine.step`` derives all of that from the difference between the two situations.
"""

from dataclasses import dataclass, replace
from typing import Any

from monitoring.states import Health, HealthKind, Intent, Reason, RestartPolicy, State
from monitoring.supervisor import policy
from monitoring.supervisor.happenings import (
    Adopted,
    AdoptGone,
    Boot,
    Down,
    Exited,
    Probed,
    Shutdown,
    SpawnFailed,
    SpecChanged,
)
from monitoring.supervisor.situation import After, Effect, Kill, Signal, Situation, Spawn, Sweep, Timer
from monitoring.supervisor.spec import ServiceSpec

Move = tuple[Situation, tuple[Effect, ...]]

BY_SUPERVISOR = frozenset(
    {
        Reason.CRASH,
        Reason.COMPLETED,
        Reason.START_TIMEOUT,
        Reason.UNHEALTHY,
        Reason.HUNG,
        Reason.SPAWN_ERROR,
        Reason.PORT_BUSY,
    }
)
"""Causes of a start that nobody asked for; such starts count as restarts."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a move may know beside situation and event. ``now`` is monotonic; ``jitter`` from -1 to 1."""

    spec: ServiceSpec
    now: float
    jitter: float


def stay(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """The event changes nothing."""
    return s, ()


# --- what people want ---------------------------------------------------------------------------


def _afresh(s: Situation, cause: Reason) -> Situation:
    """Forget earlier failures: somebody starts it by hand, or the supervisor has just started."""
    return replace(
        s,
        intent=Intent.UP,
        cause=cause,
        cause_detail="",
        restarts=0,
        streak=0,
        failures=(),
        held=False,
    )


def start(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """Up or Restart, without a process: wait to be admitted."""
    fresh = _afresh(s, event.reason)
    return replace(fresh, state=State.WAITING, reason=event.reason, detail="", timers=()), ()


def keep_up(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """Up, and on its way up or there already."""
    return replace(s, intent=Intent.UP), ()


def start_after_stop(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """Up or Restart while stopping: a new process once the old one is gone."""
    return replace(_afresh(s, event.reason), after=After.START), ()


def restart(s: Situation, event: Any, c: Context) -> Move:
    """Restart, with a process."""
    fresh = _afresh(s, event.reason)
    return begin_stop(fresh, c, after=After.START, reason=event.reason, detail="restarting")


def want_down(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """Down, and it is down already."""
    return replace(s, intent=Intent.DOWN), ()


def end_waiting(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """Down, Deleted or Shutdown without a process: STOPPED, once nothing is left of its last run."""
    intent, reason = _end_of(s, event)
    state = State.STOPPING if s.run_id else State.STOPPED
    ended = replace(
        s, state=state, intent=intent, reason=reason, detail="", after=After.STOPPED, held=False, timers=()
    )
    return ended, (Sweep(s.run_id),) if s.run_id else ()


def stop(s: Situation, event: Any, c: Context) -> Move:
    """Down, Deleted or Shutdown with a process."""
    intent, reason = _end_of(s, event)
    wanted = replace(s, intent=intent, held=False)
    force = isinstance(event, Down | Shutdown) and event.force
    return begin_stop(wanted, c, after=After.STOPPED, reason=reason, detail="", force=force)


def stop_for_good(s: Situation, event: Any, c: Context) -> Move:
    """Down, Deleted or Shutdown while stopping: no new process afterwards; with force, killed now."""
    intent, reason = _end_of(s, event)
    if s.reason is Reason.STOP_TIMEOUT:
        reason = s.reason
    wanted = replace(s, intent=intent, after=After.STOPPED, reason=reason, held=False)
    if isinstance(event, Down | Shutdown) and event.force and not s.killed:
        return _kill(wanted, c)
    return wanted, ()


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
            changed, state=State.WAITING, held=False, streak=0, cause=s.reason, cause_detail=s.detail
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


def boot(s: Situation, event: Boot, c: Context) -> Move:  # noqa: ARG001
    """Boot without a process: start what is wanted up."""
    settled = s.state in (State.EXITED, State.FATAL)
    if s.intent is Intent.DOWN or (settled and not event.fresh):
        return s, ()
    fresh = _afresh(s, Reason.BOOT)
    if not event.fresh:
        fresh = replace(fresh, restarts=s.restarts)
    return replace(fresh, state=State.WAITING, reason=Reason.BOOT, detail="", timers=()), ()


# --- the declaration ----------------------------------------------------------------------------


def note_spec(s: Situation, event: SpecChanged, c: Context) -> Move:
    """SpecChanged with a process: what it was started with shows as pending, the rest holds at once."""
    changed = replace(s, needs_restart=event.process_differs)
    if s.state is State.STARTING and s.pid is not None and (s.probing is None) == _probed(c.spec):
        changed = replace(changed, timers=_start_timers(c))
    return changed, ()


def try_new_spec(s: Situation, event: SpecChanged, c: Context) -> Move:  # noqa: ARG001
    """SpecChanged where it could not be started: with another command it may be worth a try."""
    if event.process_differs and s.intent is Intent.UP and s.reason is Reason.SPAWN_ERROR:
        fresh = _afresh(s, Reason.CONFIG)
        return replace(fresh, state=State.WAITING, reason=Reason.CONFIG, detail=""), ()
    return s, ()


def give_up(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """Unstartable: what it depends on can never be met."""
    return replace(s, state=State.FATAL, reason=Reason.DEPENDENCY, detail=event.detail, timers=()), ()


def hope_again(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """Startable: its dependencies were the reason that it is FATAL."""
    if s.reason is not Reason.DEPENDENCY or s.intent is Intent.DOWN:
        return s, ()
    return replace(s, state=State.WAITING, reason=s.cause, detail=""), ()


# --- starting -----------------------------------------------------------------------------------


def show_what_it_waits_for(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """Waits."""
    if event.detail:
        return replace(s, reason=Reason.DEPENDENCY, detail=event.detail), ()
    if s.reason is Reason.DEPENDENCY:
        return replace(s, reason=s.cause, detail=s.cause_detail), ()
    return s, ()


def spawn(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """Admitted: the one move that starts a process, and never beside the rest of an earlier one."""
    if s.run_id:
        return s, ()
    started = replace(
        s,
        state=State.STARTING,
        run_id=event.run_id,
        leader_gone=False,
        reason=s.cause,
        detail=s.cause_detail,
        restarts=s.restarts + (s.cause in BY_SUPERVISOR),
        stable=False,
        killed=False,
        needs_restart=False,
    )
    return started, (Spawn(event.run_id),)


def spawned(s: Situation, event: Any, c: Context) -> Move:
    """Spawned."""
    there = replace(s, pid=event.pid)
    if not _probed(c.spec) and c.spec.start_seconds <= 0:
        return _running(there, c)
    return replace(there, timers=_start_timers(c)), ()


def spawned_too_late(s: Situation, event: Any, c: Context) -> Move:
    """Spawned, but it is to stop already."""
    there = replace(s, pid=event.pid)
    return there, (Kill(s.run_id) if s.killed else Signal(s.run_id, c.spec.stop_signal),)


def spawn_failed(s: Situation, event: SpawnFailed, c: Context) -> Move:
    """SpawnFailed: FATAL where trying again would not help, else a try later."""
    reason = Reason.PORT_BUSY if event.code == Reason.PORT_BUSY else Reason.SPAWN_ERROR
    none = replace(
        s,
        run_id="",
        reason=reason,
        detail=event.detail,
        timers=(),
        cause=reason,
        cause_detail=event.detail,
    )
    if event.code in policy.FATAL_SPAWN_CODES:
        return _settle(none, After.FATAL, c), ()
    verdict = policy.after_failure(none, c.spec, c.now, c.jitter)
    after = After.FATAL if verdict.after is After.EXITED else verdict.after
    return _settle(verdict.situation, after, c), ()


def spawn_failed_while_stopping(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """SpawnFailed, but it is to stop already: there is nothing to stop."""
    return _settle(replace(s, run_id=""), s.after, c), ()


def up_long_enough(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """ReadyElapsed."""
    return _running(s, c)


def start_timed_out(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """StartTimeout."""
    last = f" The last probe: {s.detail}" if s.bad_probes else ""
    late = replace(
        s,
        reason=Reason.START_TIMEOUT,
        detail=f"Not healthy within {c.spec.start_timeout:g} s.{last}",
    )
    wanted = c.spec.restart is not RestartPolicy.NEVER
    return _stop_after_failure(policy.after_failure(late, c.spec, c.now, c.jitter, wanted=wanted), c)


def _probed(spec: ServiceSpec) -> bool:
    return spec.health.kind is not HealthKind.NONE


def _start_timers(c: Context) -> tuple[tuple[Timer, float], ...]:
    if _probed(c.spec):
        return ((Timer.START_TIMEOUT, c.now + c.spec.start_timeout),)
    return ((Timer.READY, c.now + c.spec.start_seconds),)


def _running(s: Situation, c: Context) -> Move:
    stable_at = c.now + c.spec.stable_seconds
    return replace(
        s,
        state=State.RUNNING,
        reason=s.cause,
        detail=s.cause_detail,
        bad_probes=0,
        timers=((Timer.STABLE, stable_at),),
    ), ()


# --- running ------------------------------------------------------------------------------------


def stable(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """StableElapsed: earlier failures are forgotten, and the next restart is immediate."""
    return replace(s, stable=True, streak=0), ()


def probed_while_starting(s: Situation, event: Probed, c: Context) -> Move:
    """Probed: the first successes make it RUNNING."""
    if s.probing is None:
        return s, ()
    if not event.ok:
        return replace(s, good_probes=0, bad_probes=1, detail=event.detail), ()
    good = s.good_probes + 1
    if good < c.spec.health.successes:
        return replace(s, good_probes=good), ()
    return _running(replace(s, good_probes=good, health=Health.HEALTHY), c)


def probed_while_running(s: Situation, event: Probed, c: Context) -> Move:
    """Probed: so many results of one kind in a row change the health; unhealthy may mean a restart."""
    check = c.spec.health
    if s.probing is None:
        return s, ()
    if event.ok:
        good = min(s.good_probes + 1, check.successes)
        if s.health is Health.HEALTHY or good < check.successes:
            return replace(s, good_probes=good, bad_probes=0), ()
        return replace(
            s,
            health=Health.HEALTHY,
            good_probes=good,
            bad_probes=0,
            reason=s.cause,
            detail=s.cause_detail,
        ), ()
    bad = min(s.bad_probes + 1, check.failures)
    failed = replace(s, good_probes=0, bad_probes=bad)
    if bad < check.failures or (s.health is Health.UNHEALTHY and s.bad_probes >= check.failures):
        return failed, ()
    unhealthy = replace(
        failed,
        health=Health.UNHEALTHY,
        reason=Reason.HUNG if event.hung else Reason.UNHEALTHY,
        detail=event.detail,
    )
    if not (check.restart and s.auto_recovery):
        return unhealthy, ()
    verdict = policy.after_failure(unhealthy, c.spec, c.now, c.jitter)
    if verdict.after is not After.RETRY:
        # It restarts too often. Killing what still half works would help nobody.
        return replace(verdict.situation, held=False), ()
    return _stop_after_failure(verdict, c)


def exited(s: Situation, event: Exited, c: Context) -> Move:
    """Exited, unasked: decide at once what follows; what is left of the tree is swept meanwhile."""
    success = policy.is_success(event, c.spec)
    ended = replace(
        s,
        leader_gone=True,
        pid=None,
        reason=Reason.COMPLETED if success else Reason.CRASH,
        detail=policy.in_words(event),
        timers=(),
    )
    wanted = policy.follows_exit(event, c.spec)
    verdict = policy.after_failure(ended, c.spec, c.now, c.jitter, wanted=wanted)
    return _settle(verdict.situation, verdict.after, c), (Sweep(s.run_id),)


# --- stopping -----------------------------------------------------------------------------------


def begin_stop(
    s: Situation, c: Context, *, after: After, reason: Reason, detail: str, force: bool = False
) -> Move:
    """Ask the process to end, or kill it where that is wanted or there is no time to ask."""
    stopping = replace(
        s,
        state=State.STOPPING,
        health=Health.UNKNOWN,
        reason=reason,
        detail=detail,
        after=after,
        killed=False,
        timers=((Timer.STOP_TIMEOUT, c.now + c.spec.stop_timeout),),
    )
    if force or c.spec.stop_timeout <= 0:
        return _kill(stopping, c)
    return stopping, (Signal(s.run_id, c.spec.stop_signal),)


def stop_timed_out(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """StopTimeout: kill; and again for as long as anything is left (never claim what is not so)."""
    if s.killed:
        detail = "Some of its processes live on after SIGKILL; trying again."
    else:
        detail = f"Did not stop within {c.spec.stop_timeout:g} s; killed."
    return _kill(replace(s, reason=Reason.STOP_TIMEOUT, detail=detail), c)


def leader_gone_while_stopping(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """Exited, as asked: STOPPED only once the rest of the tree is gone too."""
    if s.leader_gone:
        return s, ()
    again_at = c.now + policy.KILL_AGAIN_SECONDS
    gone = replace(s, leader_gone=True, pid=None, killed=True, timers=((Timer.STOP_TIMEOUT, again_at),))
    return gone, (Sweep(s.run_id),)


def tree_gone_while_stopping(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """TreeGone: now it has stopped."""
    return _settle(replace(s, run_id="", leader_gone=False), s.after, c), ()


def tree_gone(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """TreeGone after the leader ended by itself: nothing stands in the way of a new run."""
    return replace(s, run_id="", leader_gone=False), ()


def vanished(s: Situation, event: Any, c: Context) -> Move:
    """TreeGone without an Exited before it: the leader ended too, and nobody knows how."""
    after, _ = exited(s, Exited(event.run_id), c)
    return replace(after, run_id="", leader_gone=False), ()


def _kill(s: Situation, c: Context) -> Move:
    again_at = c.now + policy.KILL_AGAIN_SECONDS
    killed = replace(s, killed=True, timers=((Timer.STOP_TIMEOUT, again_at),))
    return killed, (Sweep(s.run_id) if s.leader_gone else Kill(s.run_id),)


def _stop_after_failure(verdict: policy.Verdict, c: Context) -> Move:
    s = verdict.situation
    return begin_stop(s, c, after=verdict.after, reason=s.reason, detail=s.detail)


def _settle(s: Situation, after: After, c: Context) -> Situation:
    """Go where the service goes without a process."""
    bare = replace(
        s,
        health=Health.UNKNOWN,
        pid=None,
        needs_restart=False,
        after=After.STOPPED,
        killed=False,
        stable=False,
        good_probes=0,
        bad_probes=0,
        timers=(),
    )
    if after is After.START:
        return replace(bare, state=State.WAITING, reason=s.cause, detail=s.cause_detail)
    if after is After.RETRY:
        again = replace(bare, cause=s.reason, cause_detail=s.detail)
        if s.delay <= 0:
            return replace(again, state=State.WAITING)
        return replace(again, state=State.BACKOFF, timers=((Timer.BACKOFF, c.now + s.delay),))
    if after is After.EXITED:
        return replace(bare, state=State.EXITED, cause=s.reason, cause_detail=s.detail)
    return replace(bare, state=State.FATAL if after is After.FATAL else State.STOPPED)


def try_again(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """BackoffElapsed."""
    return replace(s, state=State.WAITING, timers=()), ()


# --- taking over from a dead supervisor ---------------------------------------------------------


def adopted(s: Situation, event: Adopted, c: Context) -> Move:
    """Adopted: same process, no restart; a stop that the predecessor had begun is carried on."""
    there = replace(s, pid=event.pid, needs_restart=event.needs_restart, leader_gone=False)
    if s.intent is Intent.DOWN:
        return begin_stop(there, c, after=After.STOPPED, reason=Reason.OPERATOR, detail="")
    if s.state is State.STOPPING:
        return begin_stop(
            replace(there, cause=s.reason), c, after=After.START, reason=s.reason, detail=s.detail
        )
    known = replace(
        there, reason=Reason.ADOPTED, detail="", cause=Reason.ADOPTED, cause_detail="", held=False
    )
    if s.state is not State.RUNNING:
        # Nobody wrote down that it had proved itself.
        return replace(known, state=State.STARTING, timers=_start_timers(c)), ()
    rest = max(0.0, c.spec.stable_seconds - event.age)
    return replace(known, state=State.RUNNING, timers=((Timer.STABLE, c.now + rest),)), ()


def adopt_gone(s: Situation, event: AdoptGone, c: Context) -> Move:
    """AdoptGone where there had been a process: as an exit that nobody saw."""
    sweep: tuple[Effect, ...] = (Sweep(s.run_id),) if s.run_id else ()
    if s.intent is Intent.DOWN:
        if s.run_id:
            return replace(
                s, state=State.STOPPING, leader_gone=True, killed=True, pid=None, after=After.STOPPED
            ), sweep
        return _settle(replace(s, leader_gone=False), After.STOPPED, c), ()
    if event.rebooted or s.state is State.STOPPING:
        cause = Reason.BOOT if event.rebooted else s.reason
        ended = replace(s, leader_gone=bool(s.run_id), cause=cause, cause_detail="")
        return _settle(ended, After.START, c), sweep
    after, effects = exited(s, Exited(event.run_id), c)
    return (after, effects) if s.run_id else (replace(after, leader_gone=False), ())


def rest_of_old_run(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """AdoptGone where it had ended already: only what may be left of the tree matters."""
    return replace(s, leader_gone=bool(s.run_id)), (Sweep(s.run_id),) if s.run_id else ()
