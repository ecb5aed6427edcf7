"""What all moves share: their form, and the turns that several of them end with. Pure."""

from dataclasses import dataclass, replace
from typing import Any

from monitoring.states import Health, Hook, Intent, Reason, State
from monitoring.supervisor import policy
from monitoring.supervisor.readiness import is_told
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
        Reason.MEMORY,
        Reason.CPU,
        Reason.MAX_AGE,
        Reason.MAX_REQUESTS,
        Reason.HOOK_FAILED,
        Reason.FATAL_EXIT,
        Reason.SPAWN_ERROR,
        Reason.PORT_BUSY,
        Reason.AUTO_RECOVERY_OFF,
    }
)
"""Causes of a start that nobody asked for; such starts count as restarts."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a move may know beside situation and event. ``now`` is monotonic; ``jitter`` from -1 to 1."""

    spec: ServiceSpec
    now: float
    jitter: float

    def has(self, hook: Hook) -> bool:
        """Return whether the service has a command for ``hook``."""
        return bool(self.spec.hooks) and bool(self.spec.hook(hook))


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
        flapping=False,
    )


def start_timers(c: Context) -> tuple[tuple[Timer, float], ...]:
    """Return the clock of a start: ready until then, or simply up until then."""
    if is_told(c.spec):
        return ((Timer.START_TIMEOUT, c.now + c.spec.start_timeout),)
    return ((Timer.READY, c.now + c.spec.start_seconds),)


def retry_timers(s: Situation, c: Context) -> tuple[tuple[Timer, float], ...]:
    """Return the clock of a service that is given up: tried once more then, where that is declared."""
    if c.spec.fatal_retry <= 0 or s.intent is Intent.DOWN:
        return ()
    return ((Timer.RETRY, c.now + c.spec.fatal_retry),)


def now_running(s: Situation, c: Context) -> Move:
    """It has proved itself."""
    return replace(
        s,
        state=State.RUNNING,
        reason=s.cause,
        detail=s.cause_detail,
        bad_probes=0,
        hook=Hook.POST_START if c.has(Hook.POST_START) else None,
        timers=((Timer.STABLE, c.now + c.spec.stable_seconds),),
    ), ()


def begin_stop(
    s: Situation, c: Context, *, after: After, reason: Reason, detail: str, force: bool = False
) -> Move:
    """End the process: its pre-stop hook, a request, the signal, each where it is declared; or kill it."""
    stopping = replace(
        s,
        state=State.STOPPING,
        health=Health.UNKNOWN,
        reason=reason,
        detail=detail,
        after=after,
        killed=False,
        hook=None,
        asking=False,
        timers=(),
    )
    if s.hook is Hook.PRE_START:
        return settle(free(stopping), after, c), ()
    if force:
        return kill(stopping, c)
    if s.pid is not None and c.has(Hook.PRE_STOP):
        return replace(stopping, hook=Hook.PRE_STOP), ()
    return request(stopping, c)


def request(s: Situation, c: Context) -> Move:
    """Ask the process to end, in its own way where it has one."""
    if s.pid is None or not c.spec.stop_request:
        return signal(s, c)
    signal_at = c.now + c.spec.stop_request.seconds
    return replace(s, asking=True, timers=((Timer.STOP_REQUEST, signal_at),)), ()


def signal(s: Situation, c: Context) -> Move:
    """Send the stop signal, or kill the tree where there is no time to wait."""
    if c.spec.stop_timeout <= 0:
        return kill(s, c)
    kill_at = c.now + c.spec.stop_timeout
    return replace(s, timers=((Timer.STOP_TIMEOUT, kill_at),)), (Signal(s.run_id, c.spec.stop_signal),)


def kill(s: Situation, c: Context) -> Move:
    """Kill the tree now, and again if that is not enough."""
    again_at = c.now + policy.KILL_AGAIN_SECONDS
    killed = replace(s, killed=True, timers=((Timer.STOP_TIMEOUT, again_at),))
    return killed, (Sweep(s.run_id) if s.leader_gone else Kill(s.run_id),)


def stop_after_failure(verdict: policy.Verdict, c: Context) -> Move:
    """Stop a process that fails its purpose; the verdict says what follows."""
    s = verdict.situation
    return begin_stop(s, c, after=verdict.after, reason=s.reason, detail=s.detail)


def nothing_left(s: Situation, c: Context) -> Situation:
    """Nothing is left of the run's tree: its post-stop hook comes before anything else is started."""
    if c.has(Hook.POST_STOP):
        return replace(s, pid=None, leader_gone=True, tree_gone=True, asking=False, hook=Hook.POST_STOP)
    return free(s)


def free(s: Situation) -> Situation:
    """The run is over, with all that goes with it."""
    return replace(s, run_id="", leader_gone=False, tree_gone=False, asking=False, hook=None)


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
    if after is After.FATAL:
        return replace(bare, state=State.FATAL, timers=retry_timers(s, c))
    return replace(bare, state=State.STOPPED)
