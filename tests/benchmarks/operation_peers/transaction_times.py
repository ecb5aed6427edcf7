"""Writes down how long each outermost transaction of this process was open, and the memory before the first.

From when BEGIN has returned, which on SQLite is when the write lock is held, until COMMIT has, checkpoint
of the write-ahead log included.
"""

import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import transaction

VARIABLE = "BENCH_TRANSACTIONS"
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Times:
    """What a process has written down."""

    count: int
    longest_ms: float
    resident_at_first_mb: float


def record(path: str) -> None:
    """From now on, append a line for each transaction of this process to the file, after the memory's."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    enter, leave = transaction.Atomic.__enter__, transaction.Atomic.__exit__
    open_ones = threading.local()

    first = threading.Event()

    def timed_enter(self: transaction.Atomic) -> None:
        if not first.is_set():
            first.set()
            resident = int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
            os.write(file, f"{resident}\n".encode())
        depth = open_ones.depth = getattr(open_ones, "depth", 0) + 1
        try:
            enter(self)
        except BaseException:
            open_ones.depth -= 1
            raise
        if depth == 1:
            open_ones.began = time.monotonic_ns()

    def timed_leave(self: transaction.Atomic, *failure: Any) -> None:
        try:
            leave(self, *failure)
        finally:
            open_ones.depth -= 1
            if open_ones.depth == 0:
                took = time.monotonic_ns() - open_ones.began
                os.write(file, f"{took}\n".encode())

    transaction.Atomic.__enter__ = timed_enter  # type: ignore[method-assign]
    transaction.Atomic.__exit__ = timed_leave  # type: ignore[method-assign]


def read(path: Path) -> Times | None:
    """Return what the process has written down; None where no transaction has ended."""
    numbers = [int(text) for text in path.read_text().split()] if path.exists() else []
    if len(numbers) < 2:
        return None
    resident, *took = numbers
    return Times(len(took), max(took) / 1e6, resident / 1e6)
