"""The memory of a process tree with what its processes share counted once: the proportional set size.

The kernel walks the page tables for it: a millisecond for a small process, tens for one of gigabytes, and it
waits where the process is just changing them. So it is asked in a thread, and only where it matters.
"""

from collections.abc import Iterable
from pathlib import Path

from monitoring.supervisor.identity import read_stat

Pid = tuple[int, int]
"""Pid and start time, in ticks: a pid alone may be another process by now."""


def shared_counted_once(processes: Iterable[Pid]) -> int:
    """Return the bytes of all of ``processes`` that still live, each page divided by who shares it.

    Where the kernel does not say (another user's process, an old kernel), resident memory counts instead.
    What shares with processes beyond these is counted in proportion. Blocks; raises nothing.
    """
    total = 0
    for pid, start_ticks in processes:
        proportional = _proportional(pid)
        stat = read_stat(pid)
        if stat is None or stat.start_ticks != start_ticks or not stat.alive:
            continue  # it has ended, and what we read may be another's
        total += stat.rss_bytes if proportional is None else proportional
    return total


def _proportional(pid: int) -> int | None:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_bytes()
    except OSError:
        return None
    for line in text.splitlines():
        if line.startswith(b"Pss:"):
            return int(line.split()[1]) * 1024
    return None
