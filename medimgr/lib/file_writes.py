"""Tells that somebody writes to one of a few files, without asking over and over (inotify, Linux).

Own, since the library for it looks for the C library by starting a program, which in a supervisor would be
taken for something that a service has left behind.
Source: inotify(7).
"""

import contextlib
import ctypes
import os
import select
from collections.abc import Iterable

_MODIFY = 0x2
_ENOUGH = 1 << 16


class FileWrites:
    """Used by one thread at a time."""

    def __init__(self, paths: Iterable[str]) -> None:
        """Begin to watch; files that are not there are passed over. Raises OSError where that cannot be.

        Another system than Linux, or too many watchers of one user, are such cases.
        """
        self._fd = -1
        libc = ctypes.CDLL(None, use_errno=True)
        if not hasattr(libc, "inotify_init1"):
            raise OSError("This system has no inotify.")
        self._fd = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "inotify cannot be used")
        watched = [libc.inotify_add_watch(self._fd, os.fsencode(path), _MODIFY) for path in paths]
        if all(watch < 0 for watch in watched):
            self.close()
            raise OSError(ctypes.get_errno(), "no file can be watched")
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN)

    def wait(self, seconds: float) -> bool:
        """Return whether one of the files was written to since the last call; waits up to ``seconds``."""
        if not self._poll.poll(seconds * 1000):
            return False
        with contextlib.suppress(BlockingIOError):
            while len(os.read(self._fd, _ENOUGH)) == _ENOUGH:
                pass
        return True

    def close(self) -> None:
        """End the watch. Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
