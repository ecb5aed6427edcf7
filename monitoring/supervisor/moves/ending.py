"""What happens while a process is being stopped. Pure moves of the machine."""

from dataclasses import replace
from typing import Any

from monitoring.states import Reason
from monitoring.supervisor import policy
from monitoring.supervisor.moves.turns import Context, Move, kill, settle
from monitoring.supervisor.situation import Kill, Signal, Situation, Sweep, Timer


def spawned_too_late(s: Situation, event: Any, c: Context) -> Move:
    """Spawned, but it is to stop already."""
    there = replace(s, pid=event.pid)
    return there, (Kill(s.run_id) if s.killed else Signal(s.run_id, c.spec.stop_signal),)


def spawn_failed_while_stopping(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """SpawnFailed, but it is to stop already: there is nothing to stop."""
    return settle(replace(s, run_id=""), s.after, c), ()


def stop_timed_out(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """StopTimeout: kill; and again for as long as anything is left (never claim what is not so)."""
    if s.killed:
        detail = "Some of its processes live on after SIGKILL; trying again."
    else:
        detail = f"Did not stop within {c.spec.stop_timeout:g} s; killed."
    return kill(replace(s, reason=Reason.STOP_TIMEOUT, detail=detail), c)


def leader_gone_while_stopping(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """Exited, as asked: STOPPED only once the rest of the tree is gone too."""
    if s.leader_gone:
        return s, ()
    again_at = c.now + policy.KILL_AGAIN_SECONDS
    gone = replace(s, leader_gone=True, pid=None, killed=True, timers=((Timer.STOP_TIMEOUT, again_at),))
    return gone, (Sweep(s.run_id),)


def tree_gone_while_stopping(s: Situation, event: Any, c: Context) -> Move:  # noqa: ARG001
    """TreeGone: now it has stopped."""
    return settle(replace(s, run_id="", leader_gone=False), s.after, c), ()
