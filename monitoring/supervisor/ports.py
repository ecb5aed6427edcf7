"""Who listens on a TCP port of this machine."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_LISTEN = "0A"


@dataclass(frozen=True, slots=True)
class Listener:
    """The program that holds a port. ``pid`` is None where we may not look into its process."""

    pid: int | None
    name: str


def listener_on(port: int) -> Listener | None:
    """Return who listens on TCP ``port`` on any address, None where it is free.

    Reads the kernel's table of sockets, and looks for the owner among all processes only where the port
    is taken.
    """
    inodes = set(listening_inodes(port))
    if not inodes:
        return None
    pid = _owner({f"socket:[{inode}]" for inode in inodes})
    if pid is None:
        return Listener(None, "a program of another user")
    try:
        name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        name = "a program that has just ended"
    return Listener(pid, name)


def listening_inodes(port: int) -> Iterator[int]:
    """Yield the inode of every socket that listens on TCP ``port``, at whichever address."""
    suffix = f":{port:04X}"
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:  # no IPv6 on this machine
            continue
        for line in lines:
            field = line.split()
            if field[3] == _LISTEN and field[1].endswith(suffix):
                yield int(field[9])


def _owner(links: set[str]) -> int | None:
    """Return the lowest pid with an open file that is one of ``links``."""
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdecimal()):
        directory = f"/proc/{pid}/fd"
        with contextlib.suppress(OSError):
            for name in os.listdir(directory):
                with contextlib.suppress(OSError):
                    if os.readlink(f"{directory}/{name}") in links:
                        return pid
    return None
