"""What all moves share: their form, and the turns that several of them end with. Pure."""

from dataclasses import dataclass, replace
from typing import Any

from monitoring.states import Health, HealthKind, Intent, Reason, State
from monitoring.supervisor import policy
from monitoring.supervisor.situation import After, Effect, Kill, Signal, Situation, Sweep, Timer
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


def afresh(s: Situation, cause: Reason) -> Situation:
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


def is_probed(spec: ServiceSpec) -> bool:
    """Return whether the service has a health check."""
    return spec.health.kind is not HealthKind.NONE


def start_timers(c: Context) -> tuple[tuple[Timer, float], ...]:
    """Return the clock of a start: healthy until then, or simply up until then."""
    if is_probed(c.spec):
        return ((Timer.START_TIMEOUT, c.now + c.spec.start_timeout),)
    return ((Timer.READY, c.now + c.spec.start_seconds),)


def now_running(s: Situation, c: Context) -> Move:
    """It has proved itself."""
    stable_at = c.now + c.spec.stable_seconds
    return replace(
        s,
        state=State.RUNNING,
        reason=s.cause,
        detail=s.cause_detail,
        bad_probes=0,
        timers=((Timer.STABLE, stable_at),),
    ), ()


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
        return kill(stopping, c)
    return stopping, (Signal(s.run_id, c.spec.stop_signal),)


def kill(s: Situation, c: Context) -> Move:
    """Kill the tree now, and again if that is not enough."""
    again_at = c.now + policy.KILL_AGAIN_SECONDS
    killed = replace(s, killed=True, timers=((Timer.STOP_TIMEOUT, again_at),))
    return killed, (Sweep(s.run_id) if s.leader_gone else Kill(s.run_id),)


def stop_after_failure(verdict: policy.Verdict, c: Context) -> Move:
    """Stop a process that fails its purpose; the verdict says what follows."""
    s = verdict.situation
    return begin_stop(s, c, after=verdict.after, reason=s.reason, detail=s.detail)


def settle(s: Situation, after: After, c: Context) -> Situation:
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
