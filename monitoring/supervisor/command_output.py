"""What a command has written: its end is kept for a message, and a hook's goes into the service's log."""

import asyncio
import contextlib
import os
from collections.abc import Callable

from medimgr.lib.plain_text import clean

KEPT_CHARACTERS = 2000
_KEPT_BYTES = 4 * KEPT_CHARACTERS
_BLOCK = 64 * 1024
_FREELY = 1024 * 1024
_PAUSE_SECONDS = 0.01
_LAST_BLOCKS = 2
_LOG_BYTES = 1024 * 1024


class CommandOutput:
    """Reads one pipe in the loop, one block a turn. It is never waited for."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, fd: int, copy: Callable[[bytes], None] | None
    ) -> None:
        """Take over ``fd``, a pipe's reading end that does not block. ``copy`` gets all that comes."""
        self._loop = loop
        self._fd = fd
        self._copy = copy
        self._kept = b""
        self._seen = 0
        self._pause: asyncio.TimerHandle | None = None
        loop.add_reader(fd, self._readable)

    def end(self) -> str:
        """Take what is there at this moment, let go of the pipe, and return the last characters.

        Whoever still has the other end, such as a process that the command left behind, is not waited for.
        """
        for _ in range(_LAST_BLOCKS):
            if self._fd < 0 or not self._take():
                break
        self._close()
        return clean(self._kept.decode("utf-8", "replace"))[-KEPT_CHARACTERS:].strip()

    def _readable(self) -> None:
        if self._take() and self._seen > _FREELY:
            # One that floods us is read more slowly than it writes: it waits, nobody else does.
            self._loop.remove_reader(self._fd)
            self._pause = self._loop.call_later(_PAUSE_SECONDS, self._go_on)

    def _go_on(self) -> None:
        self._pause = None
        self._loop.add_reader(self._fd, self._readable)

    def _take(self) -> bool:
        """Read one block; return whether there may be more."""
        try:
            block = os.read(self._fd, _BLOCK)
        except BlockingIOError:
            return False
        except OSError:
            block = b""
        if not block:
            self._close()
            return False
        self._seen += len(block)
        self._kept = (self._kept + block)[-_KEPT_BYTES:]
        if self._copy is not None:
            self._copy(block)
        return True

    def _close(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1


class LogCopy:
    """Appends a command's output to a log, up to a size; a log that cannot be written is no obstacle."""

    def __init__(self, fd: int) -> None:
        """Take over ``fd``, a log opened for appending."""
        self._fd = fd
        self._left = _LOG_BYTES

    def __call__(self, block: bytes) -> None:
        """Append ``block``, or what there is still room for."""
        if self._left <= 0:
            return
        self._write(block[: self._left])
        self._left -= len(block)
        if self._left <= 0:
            self._write(b"\n(the rest of this command's output is not kept)\n")

    def close(self) -> None:
        """Let go of the log. Calling it again does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _write(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            os.write(self._fd, data)
