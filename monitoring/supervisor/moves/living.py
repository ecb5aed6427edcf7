"""What happens to a process from its start to its end unasked. Pure moves of the machine."""

from dataclasses import replace
from typing import Any

from monitoring.states import Health, Hook, ReadyKind, Reason, RestartPolicy, State
from monitoring.supervisor import policy
from monitoring.supervisor.happenings import (
    Exited,
    Probed,
    Recycle,
    SpawnFailed,
)
from monitoring.supervisor.moves.schedules import next_run
from monitoring.supervisor.moves.turns import (
    BY_SUPERVISOR,
    Context,
    Move,
    begin_stop,
    free,
    nothing_left,
    now_running,
    settle,
    start_timers,
    stop_after_failure,
)
from monitoring.supervisor.readiness import is_told
from monitoring.supervisor.situation import After, Situation, Spawn, Sweep


def show_what_it_waits_for(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """Waits."""
    if event.detail:
        return replace(s, reason=Reason.DEPENDENCY, detail=event.detail), ()
    if s.reason is Reason.DEPENDENCY:
        return replace(s, reason=s.cause, detail=s.cause_detail), ()
    return s, ()


def spawn(s: Situation, event: Any, c: Context) -> Move:
    """Admitted: the one move that begins a run, and never beside the rest of an earlier one."""
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
    if c.has(Hook.PRE_START):
        return replace(started, hook=Hook.PRE_START), ()
    return started, (Spawn(event.run_id),)


def spawned(s: Situation, event: Any, c: Context) -> Move:
    """Spawned."""
    there = replace(s, pid=event.pid)
    if c.spec.start_seconds <= 0 and not is_told(c.spec):
        return now_running(there, c)
    return replace(there, timers=start_timers(c)), ()


def spawn_failed(s: Situation, event: SpawnFailed, c: Context) -> Move:
    """SpawnFailed: FATAL where trying again would not help, else a try later."""
    reason = Reason.PORT_BUSY if event.code == Reason.PORT_BUSY else Reason.SPAWN_ERROR
    return start_failed(s, c, reason=reason, detail=event.detail, hopeless=event.hopeless)


def start_failed(s: Situation, c: Context, *, reason: Reason, detail: str, hopeless: bool) -> Move:
    """There is no process, for a reason that trying again may mend, unless it is ``hopeless``."""
    none = replace(free(s), reason=reason, detail=detail, timers=(), cause=reason, cause_detail=detail)
    if hopeless:
        return settle(none, After.FATAL, c), ()
    verdict = policy.after_failure(none, c.spec, c.now, c.jitter)
    given_up = verdict.after is After.EXITED and not c.spec.schedule
    return settle(verdict.situation, After.FATAL if given_up else verdict.after, c), ()


def up_long_enough(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """ReadyElapsed."""
    return now_running(s, c)


def heard_to_be_ready(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """Ready: the log line or the message has come."""
    return now_running(s, c) if s.awaiting is not None else (s, ())


def start_timed_out(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """StartTimeout."""
    last = f" The last probe: {s.detail}" if s.bad_probes else ""
    what = "healthy" if c.spec.readiness.kind is ReadyKind.AUTO else "ready"
    late = replace(
        s,
        reason=Reason.START_TIMEOUT,
        detail=f"Not {what} within {c.spec.start_timeout:g} s.{last}",
    )
    wanted = c.spec.restart is not RestartPolicy.NEVER
    return stop_after_failure(policy.after_failure(late, c.spec, c.now, c.jitter, wanted=wanted), c)


def probed_while_starting(s: Situation, event: Probed, c: Context) -> Move:
    """Probed: the first successes make it RUNNING."""
    if s.probing is None:
        return s, ()
    if not event.ok:
        return replace(s, good_probes=0, bad_probes=1, detail=event.detail), ()
    good = s.good_probes + 1
    if good < s.probing.successes:
        return replace(s, good_probes=good), ()
    if s.probing != c.spec.health:
        # Ready is not healthy: that is for the health check to say.
        return now_running(replace(s, good_probes=0), c)
    return now_running(replace(s, good_probes=good, health=Health.HEALTHY), c)


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
    if verdict.after is not After.RETRY and not c.spec.schedule:
        # It restarts too often. Killing what still half works would help nobody.
        return replace(verdict.situation, held=False), ()
    return stop_after_failure(verdict, c)


def stable(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """StableElapsed: earlier failures are forgotten, and the next restart is immediate."""
    return replace(s, stable=True, streak=0, flapping=False), ()


def recycle(s: Situation, event: Recycle, c: Context) -> Move:
    """Recycle: a new process takes its place, and nothing has failed."""
    if not s.auto_recovery:
        return s, ()
    replaced = replace(s, cause=event.reason, cause_detail=event.detail, held=False)
    return begin_stop(replaced, c, after=next_run(c), reason=event.reason, detail=event.detail)


def exited(s: Situation, event: Exited, c: Context) -> Move:
    """Exited, unasked: decide at once what follows; what is left of the tree is swept meanwhile."""
    reason = policy.reason_of(event, c.spec)
    ended = replace(
        s,
        leader_gone=True,
        pid=None,
        reason=reason,
        detail=policy.in_words(event),
        hook=None,
        timers=(),
    )
    sweep = (Sweep(s.run_id),)
    if reason is Reason.FATAL_EXIT:
        given_up = replace(ended, cause=reason, cause_detail=ended.detail)
        return settle(given_up, After.FATAL, c), sweep
    verdict = policy.after_failure(
        ended,
        c.spec,
        c.now,
        c.jitter,
        wanted=policy.follows_exit(event, c.spec),
        failed=reason is not Reason.COMPLETED,
    )
    return settle(verdict.situation, verdict.after, c), sweep


def tree_gone(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """TreeGone after the leader ended by itself: the post-stop hook, then nothing is in a new run's way."""
    return (s if s.tree_gone else nothing_left(s, c)), ()


def vanished(s: Situation, event: Any, c: Context) -> Move:
    """TreeGone without an Exited before it: the leader ended too, and nobody knows how."""
    if s.pid is None:
        return s, ()
    after, _ = exited(s, Exited(event.run_id), c)
    return nothing_left(after, c), ()


def try_again(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """BackoffElapsed."""
    return replace(s, state=State.WAITING, timers=()), ()


def try_once_more(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """RetryElapsed: it was given up long enough ago."""
    cause, detail = s.reason, s.detail
    return replace(s, state=State.WAITING, cause=cause, cause_detail=detail, held=False, timers=()), ()
