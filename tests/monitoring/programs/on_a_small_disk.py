"""Runs a piece of a test on an empty file system of its own; for ``unshare --mount``.

on_a_small_disk.py KIND SIZE SCRIPT. Exits with EPERM where mounting is not allowed.
"""

import ctypes
import errno
import os
import sys
import tempfile
from pathlib import Path

from monitoring.supervisor.log_rotation import rotate
from monitoring.supervisor.logs import LogReader, open_log


def append(log: Path, data: bytes) -> None:
    """Write all of it, or raise."""
    fd = open_log(log)
    try:
        while data:
            data = data[os.write(fd, data) :]
    finally:
        os.close(fd)


def lines(first: int, end: int) -> bytes:
    """Return numbered lines."""
    return b"".join(b"%d %s\n" % (number, b"x" * (number % 50)) for number in range(first, end))


def main() -> None:
    """Mount and run."""
    kind, size, script = sys.argv[1:]
    with tempfile.TemporaryDirectory() as place:
        mount = ctypes.CDLL(None, use_errno=True).mount
        if mount(kind.encode(), place.encode(), kind.encode(), 0, f"size={size}".encode()):
            sys.exit(errno.EPERM)
        try:
            names = {"append": append, "lines": lines, "rotate": rotate, "LogReader": LogReader}
            exec(script, {**names, "log": Path(place, "it.log"), "os": os, "errno": errno})
        finally:
            ctypes.CDLL(None).umount(place.encode())


main()
