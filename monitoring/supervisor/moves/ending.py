"""What happens while a process is being stopped. Pure moves of the machine.

The phases are a pre-stop hook, a request by URL or command, the signal, the kill, and a post-stop hook once
nothing is left. A command that goes with the stop may outlive the process: it is waited for, within its time.
"""

from dataclasses import replace
from typing import Any

from monitoring.states import Hook, Reason
from monitoring.supervisor import policy
from monitoring.supervisor.moves.turns import (
    Context,
    Move,
    free,
    kill,
    nothing_left,
    request,
    settle,
    signal,
)
from monitoring.supervisor.situation import Kill, Signal, Situation, Sweep, Tell, Timer


def spawned_too_late(s: Situation, event: Any, c: Context) -> Move:
    """Spawned, but it is to stop already."""
    there = replace(s, pid=event.pid)
    return there, (Kill(s.run_id) if s.killed else Signal(s.run_id, c.spec.stop_signal),)


def spawn_failed_while_stopping(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """SpawnFailed, but it is to stop already: there is nothing to stop."""
    return settle(free(s), s.after, c), ()


def hook_ended_while_stopping(s: Situation, event: Any, c: Context) -> Move:
    """HookEnded: the stop goes on, whether or not the hook did what it should."""
    told = hook_told(event)
    if event.hook is Hook.POST_STOP:
        return settle(free(s), s.after, c), told
    after, effects = _command_over(s, c) if s.leader_gone else request(s, c)
    return after, (*told, *effects)


def stop_asked(s: Situation, event: Any, c: Context) -> Move:
    """StopAsked: it has until the timer goes off, or gets the signal now where it did not agree."""
    if s.leader_gone:
        return _command_over(s, c)
    if event.ok:
        return s, ()
    return signal(replace(s, detail=f"The request to stop failed: {event.detail}"), c)


def stop_request_timed_out(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """StopRequestTimeout: now it gets the signal."""
    over = replace(s, asking=False)
    if s.leader_gone:
        return _command_over(over, c)
    detail = f"Asked to stop, it was still there after {c.spec.stop_request.seconds:g} s."
    return signal(replace(over, detail=detail), c)


def stop_timed_out(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """StopTimeout: kill; and again for as long as anything is left (never claim what is not so)."""
    if s.killed:
        detail = "Some of its processes live on after SIGKILL; trying again."
    else:
        detail = f"Did not stop within {c.spec.stop_timeout:g} s; killed."
    asked = tuple(timer for timer in s.timers if timer[0] is Timer.STOP_REQUEST)
    after, effects = kill(replace(s, reason=Reason.STOP_TIMEOUT, detail=detail), c)
    return replace(after, timers=(*asked, *after.timers)) if asked else after, effects


def leader_gone_while_stopping(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """Exited, as asked: STOPPED only once the rest of the tree is gone too."""
    if s.leader_gone:
        return s, ()
    again = (Timer.STOP_TIMEOUT, c.now + policy.KILL_AGAIN_SECONDS)
    asking = s.asking and bool(c.spec.stop_request.command)
    timers = tuple(timer for timer in s.timers if asking and timer[0] is Timer.STOP_REQUEST)
    gone = replace(s, leader_gone=True, pid=None, killed=True, asking=asking, timers=(*timers, again))
    return gone, (Sweep(s.run_id),)


def tree_gone_while_stopping(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """TreeGone: now it has stopped, once the command that stopped it has ended, too."""
    if s.tree_gone:
        return s, ()
    gone = replace(s, leader_gone=True, tree_gone=True, pid=None, killed=True)
    if s.hook is not None or (s.asking and c.spec.stop_request.command):
        return replace(gone, timers=tuple(t for t in s.timers if t[0] is Timer.STOP_REQUEST)), ()
    return _stopped(gone, c), ()


def end_now(s: Situation, c: Context) -> Move:
    """Somebody will not wait: kill what lives, and the command that goes with the stop."""
    at_once = replace(s, hook=None, asking=False)
    if s.tree_gone:
        return settle(free(at_once), s.after, c), ()
    if s.killed:
        return replace(at_once, timers=tuple(t for t in s.timers if t[0] is not Timer.STOP_REQUEST)), ()
    return kill(at_once, c)


def hook_told(event: Any) -> tuple[Tell, ...]:
    """Return what is to be told about the end of a hook: only a failure is news."""
    if event.ok:
        return ()
    return (Tell(Reason.HOOK_FAILED, f"Its {event.hook} command failed: {event.detail}"),)


def _command_over(s: Situation, c: Context) -> Move:
    """The command that went with the stop has ended after the process did."""
    if s.tree_gone:
        return _stopped(s, c), ()
    return replace(s, timers=tuple(t for t in s.timers if t[0] is not Timer.STOP_REQUEST)), ()


def _stopped(s: Situation, c: Context) -> Situation:
    rest = replace(nothing_left(s, c), timers=())
    return rest if rest.run_id else settle(rest, s.after, c)
