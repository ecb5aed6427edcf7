"""Keeps a flood of the same from filling the audit: so many a minute are written down, the rest is counted.

Of each process by itself, in memory: a thousand wrong logins cost no query to find that out.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

WINDOW_SECONDS: Final = 60.0


class Floodgate:
    """Lets ``per_key`` of a kind through in a minute, and ``in_all`` of all kinds. Thread-safe."""

    def __init__(self, *, per_key: int, in_all: int, clock: Callable[[], float] = time.monotonic) -> None:
        """``clock`` returns seconds."""
        self._per_key = per_key
        self._in_all = in_all
        self._clock = clock
        self._lock = threading.Lock()
        self._began = float("-inf")
        self._let_through: Counter[str] = Counter()
        self._left_out = 0

    def admit(self, key: str) -> int | None:
        """Return None where this one is to be left out, else how many were left out before it."""
        with self._lock:
            now = self._clock()
            if now - self._began >= WINDOW_SECONDS:
                self._began = now
                self._let_through.clear()
            if self._let_through[key] >= self._per_key or self._let_through.total() >= self._in_all:
                self._left_out += 1
                return None
            self._let_through[key] += 1
            before, self._left_out = self._left_out, 0
            return before

    def forget(self) -> None:
        """Begin anew. For tests, each of which is a process of its own in this respect."""
        with self._lock:
            self._began = float("-inf")
            self._let_through.clear()
            self._left_out = 0


def with_left_out(detail: str, left_out: int) -> str:
    """Return ``detail``, and how many of the same kind before this one are not listed."""
    return f"{detail} Before it, {left_out} more were not listed." if left_out else detail
