"""Which process a pid means: pids are used again, start times are not."""

import os
from functools import cache
from pathlib import Path

# Fields of /proc/<pid>/stat after the command's closing parenthesis: proc(5) counts from 1.
_STATE = 3 - 3
_START = 22 - 3


def start_ticks(pid: int) -> int | None:
    """Return when the process started, in clock ticks since boot; None where it is gone or a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The command may hold spaces and parentheses: whatever follows the last one is fields.
    fields = stat.rpartition(")")[2].split()
    return None if fields[_STATE] in {"Z", "X"} else int(fields[_START])


@cache
def pid_space() -> str:
    """Return a name for the space in which pids of this process mean something: boot and namespace.

    Two containers on one machine, or two boots, give the same pid to different processes. Empty where
    the system does not say, as on anything but Linux.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""
