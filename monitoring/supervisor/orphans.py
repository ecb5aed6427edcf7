"""Makes the supervisor the parent of what its services leave behind (a child subreaper, Linux 3.4).

A process whose parent ends is then ours, even if it left its session and group and has no marker. So
"does anything of this run live on?" is answered by one small file instead of a pass over /proc, and no
zombie of theirs stays. It does not reach the runs that were taken over from another supervisor.
"""

import ctypes
import os
from collections.abc import Collection

from monitoring.supervisor.identity import find_stat

_PR_SET_CHILD_SUBREAPER = 36


class Orphans:
    """The children of this process that are no run's main process."""

    def __init__(self) -> None:
        """Become a subreaper, where the system can."""
        self.known = _become_subreaper() and _children() is not None
        """Whether :meth:`left` sees all that a run which we started leaves behind."""
        self._alive: dict[int, int] = {}

    def some_ended(self) -> bool:
        """Return whether any child waits to be collected: a main process that is kept, or an orphan."""
        if not self.known:
            return False
        try:
            return os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:
            return False

    def left(self, leaders: Collection[int]) -> dict[int, int]:
        """Return the live children that are not in ``leaders``, and collect those that have ended.

        Pid → start time in ticks, which is read once: a child keeps its pid until it is collected here.
        Raises OSError where files ran out. Must be called on the only thread that starts processes: any
        child that is not a leader is taken for an orphan.
        """
        alive = {}
        for pid in _children() or ():
            if pid in leaders or _collected(pid):
                continue
            ticks = self._alive.get(pid)
            if ticks is None:
                entry = find_stat(pid)
                ticks = entry.start_ticks if entry is not None else 0
            alive[pid] = ticks
        self._alive = alive
        return alive


def _become_subreaper() -> bool:
    try:
        return bool(ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)
    except (OSError, AttributeError):
        return False


def _children() -> list[int] | None:
    """Return the pids of all children, None where the kernel does not list them. Raises OSError."""
    found: list[int] = []
    for thread in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{thread}/children", "rb") as file:
                found += map(int, file.read().split())
        except (FileNotFoundError, ProcessLookupError):
            # The thread has just ended, or the kernel was built without these files.
            if int(thread) == os.getpid():
                return None
    return found


def _collected(pid: int) -> bool:
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG) is not None
    except ChildProcessError:
        return True
