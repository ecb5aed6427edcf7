"""Whether more programs want to run than this machine has cores. One read of ``/proc/loadavg``."""

import os
from functools import cache


def runnable() -> int:
    """Return how many tasks of the machine run or want to at this moment, this one included; 0 if unknown."""
    try:
        with open("/proc/loadavg", "rb", buffering=0) as file:
            return int(file.read(128).split()[3].partition(b"/")[0])
    except (OSError, ValueError, IndexError):
        return 0


def crowded() -> bool:
    """Return whether some of them have to wait for a core, as far as one look can tell."""
    return runnable() > _cores() + 1


@cache
def _cores() -> int:
    return len(os.sched_getaffinity(0))
