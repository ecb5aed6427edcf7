"""Kills all that a command has started: what can be traced to it by parents, and what has let go of them.

Whoever forks twice and leaves its session has no parents left that lead to the command. It has become our
child then, since the supervisor is a subreaper, and still carries the command's id in its environment.
"""

import asyncio
import contextlib
import os

from monitoring.supervisor.identity import find_stat, read_environ, variable
from monitoring.supervisor.process import Process, kill_verified

COMMAND_ID = "MEDIMGR_COMMAND_ID"
"""The environment variable that tells the processes of one command from those of all others."""
FIRST_LOOK_SECONDS = 0.05
LOOK_SECONDS = 1.0
_LOOKS = 3
_TREE_LIMIT = 10_000


class CommandTrees:
    """Kills trees. One look at our own children serves for all commands that were killed lately."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._wanted: dict[str, tuple[int, int]] = {}
        """Command id → when the command started, in ticks, and how many looks are left."""
        self._timer: asyncio.TimerHandle | None = None

    def kill(self, process: Process, command_id: str) -> None:
        """Kill ``process``, its group, and what has left it; strays are looked for a little later."""
        strays = _descendants(process.identity.pid)
        process.kill_group()
        for pid, start_ticks in strays:
            kill_verified(pid, start_ticks)
        self._wanted[command_id] = (process.identity.start_ticks, _LOOKS)
        if self._timer is None:
            self._timer = self._loop.call_later(FIRST_LOOK_SECONDS, self._look)

    def close(self) -> None:
        """Look once more, and no longer after that."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._kill_strays()
        self._wanted.clear()

    def _look(self) -> None:
        self._timer = None
        self._kill_strays()
        self._wanted = {one: (since, left - 1) for one, (since, left) in self._wanted.items() if left > 1}
        if self._wanted:
            self._timer = self._loop.call_later(LOOK_SECONDS, self._look)

    def _kill_strays(self) -> None:
        earliest = min((since for since, _ in self._wanted.values()), default=0)
        with contextlib.suppress(OSError):  # out of files: the next look will do
            for pid in _children(os.getpid()):
                entry = find_stat(pid)
                if entry is None or entry.start_ticks < earliest or not entry.alive:
                    continue
                if variable(read_environ(pid) or b"", COMMAND_ID) in self._wanted:
                    for stray, start_ticks in [(pid, entry.start_ticks), *_descendants(pid)]:
                        kill_verified(stray, start_ticks)


def _descendants(pid: int) -> list[tuple[int, int]]:
    """Return (pid, start time) of all that ``pid`` has started and that still has its parents."""
    found: list[tuple[int, int]] = []
    new = [pid]
    while new and len(found) < _TREE_LIMIT:
        new = [child for parent in new for child in _children(parent)]
        for child in new:
            with contextlib.suppress(OSError):
                entry = find_stat(child)
                if entry is not None:
                    found.append((child, entry.start_ticks))
    return found


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                found += map(int, file.read().split())
    return found
