"""What happens to a process from its start to its end unasked. Pure moves of the machine."""

from dataclasses import replace
from typing import Any

from monitoring.states import Health, Reason, RestartPolicy, State
from monitoring.supervisor import policy
from monitoring.supervisor.happenings import (
    Exited,
    Probed,
    SpawnFailed,
)
from monitoring.supervisor.moves.turns import (
    BY_SUPERVISOR,
    Context,
    Move,
    is_probed,
    now_running,
    settle,
    start_timers,
    stop_after_failure,
)
from monitoring.supervisor.situation import After, Situation, Spawn, Sweep


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
    if not is_probed(c.spec) and c.spec.start_seconds <= 0:
        return now_running(there, c)
    return replace(there, timers=start_timers(c)), ()


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
        return settle(none, After.FATAL, c), ()
    verdict = policy.after_failure(none, c.spec, c.now, c.jitter)
    after = After.FATAL if verdict.after is After.EXITED else verdict.after
    return settle(verdict.situation, after, c), ()


def up_long_enough(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """ReadyElapsed."""
    return now_running(s, c)


def start_timed_out(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """StartTimeout."""
    last = f" The last probe: {s.detail}" if s.bad_probes else ""
    late = replace(
        s,
        reason=Reason.START_TIMEOUT,
        detail=f"Not healthy within {c.spec.start_timeout:g} s.{last}",
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
    if good < c.spec.health.successes:
        return replace(s, good_probes=good), ()
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
    if verdict.after is not After.RETRY:
        # It restarts too often. Killing what still half works would help nobody.
        return replace(verdict.situation, held=False), ()
    return stop_after_failure(verdict, c)


def stable(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """StableElapsed: earlier failures are forgotten, and the next restart is immediate."""
    return replace(s, stable=True, streak=0), ()


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
    return settle(verdict.situation, verdict.after, c), (Sweep(s.run_id),)


def tree_gone(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """TreeGone after the leader ended by itself: nothing stands in the way of a new run."""
    return replace(s, run_id="", leader_gone=False), ()


def vanished(s: Situation, event: Any, c: Context) -> Move:
    """TreeGone without an Exited before it: the leader ended too, and nobody knows how."""
    after, _ = exited(s, Exited(event.run_id), c)
    return replace(after, run_id="", leader_gone=False), ()


def try_again(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """BackoffElapsed."""
    return replace(s, state=State.WAITING, timers=()), ()
