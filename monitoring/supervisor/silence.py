"""How long a service has been silent: in its logs, or at its socket. By the monotonic clock."""

import os
from collections.abc import Callable
from pathlib import Path
from time import time

_Signature = tuple[int, int, int]


class LogSilence:
    """Looks at the logs' sizes and times whenever it is asked; reads nothing of them.

    A time of change is the wall clock's, which may be set: it says when, between two looks, something was
    written, never more than that.
    """

    def __init__(self, paths: set[Path], now: Callable[[], float]) -> None:
        """``now`` is the monotonic clock. The silence begins now."""
        self._now = now
        self._files = {path: _signature(path) for path in paths}
        self._looked = self._heard = now()

    def seconds(self) -> float:
        """Return for how long nothing has been written."""
        now = self._now()
        for path, before in self._files.items():
            signature = _signature(path)
            if signature is None or signature == before:
                continue
            self._files[path] = signature
            written = now - max(0.0, time() - signature[2] / 1e9)
            self._heard = max(self._heard, self._looked, min(written, now))
        self._looked = now
        return now - self._heard


class NoticeSilence:
    """Is told each time that the service has said that it is well."""

    def __init__(self, now: Callable[[], float]) -> None:
        """``now`` is the monotonic clock. The silence begins now."""
        self._now = now
        self._heard = now()
        self.said = False
        """Whether it has said so at all."""

    def heard(self) -> None:
        """Take note that it is well."""
        self._heard = self._now()
        self.said = True

    def seconds(self) -> float:
        """Return for how long it has not said so."""
        return self._now() - self._heard


def _signature(path: Path) -> _Signature | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
