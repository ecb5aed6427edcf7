"""How much a purge takes on at a time, and how it leaves the database to those who work.

SQLite has one writer, so a transaction of the purge is what everybody else waits for. Its write-ahead log is
copied into the database by whoever commits when a thousand pages are reached, and that takes longer than the
commit: the purge does so itself, outside of its transactions, when nobody has to wait for it.
Source: https://www.sqlite.org/wal.html
"""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from django.db import OperationalError, connection

LARGEST_BATCH = 10_000
MOST_AT_A_TIME = 4000
AIMED_SECONDS = 0.025
"""So long a transaction may take; the next is made smaller or larger after this."""
_FIRST = 100
_LEAST = 20
_FASTER = 1.5
_SHARE = 1.0
"""The pause is this share of the transaction before it: there is no hurry, and others work."""
_SHORTEST_PAUSE = 0.002
_LONGEST_PAUSE = 0.25
_CACHE_KIB = 24_000


class Pace:
    """How many rows to take at a time, so that no transaction takes long."""

    def __init__(self, most: int = MOST_AT_A_TIME) -> None:
        """Begin carefully; never take more than ``most``."""
        self._most = max(1, min(most, LARGEST_BATCH))
        self.at_a_time = min(_FIRST, self._most)
        self.pause_seconds = _SHORTEST_PAUSE
        self.longest_seconds = 0.0

    @contextlib.contextmanager
    def timed(self, rows: int) -> Iterator[None]:
        """Time the block, which deletes ``rows`` in one transaction, and set what comes next by it."""
        began = time.monotonic()
        yield
        self.took(rows, time.monotonic() - began)

    def took(self, rows: int, seconds: float) -> None:
        """Set how many come next, and after which pause, by what ``rows`` took."""
        self.longest_seconds = max(self.longest_seconds, seconds)
        self.pause_seconds = min(_LONGEST_PAUSE, max(_SHORTEST_PAUSE, _SHARE * seconds))
        fitting = rows * min(_FASTER, AIMED_SECONDS / max(seconds, 1e-6))
        # One that was smaller than it might have been, for the size of its logs, is no reason to shrink.
        if seconds <= AIMED_SECONDS:
            fitting = max(fitting, self.at_a_time)
        self.at_a_time = max(min(_LEAST, self._most), min(self._most, int(fitting)))

    def make_room(self) -> None:
        """Copy the write-ahead log into the database, so that nobody has to do it at a commit (SQLite).

        Nobody waits for that, so the pause is shorter by what it takes.
        """
        if connection.vendor != "sqlite" or connection.in_atomic_block:
            return
        began = time.monotonic()
        # Passive: it waits for nobody either.
        with contextlib.suppress(OperationalError), connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(PASSIVE)")
        self.pause_seconds = max(_SHORTEST_PAUSE, self.pause_seconds - (time.monotonic() - began))


@contextlib.contextmanager
def unhurried() -> Iterator[None]:
    """Let this thread's connection not do at its commits what :meth:`Pace.make_room` does (SQLite).

    It also remembers more pages: what a purge deletes is all over the indexes.
    """
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        yield
        return
    wanted = {"wal_autocheckpoint": 0, "cache_size": -_CACHE_KIB}
    with connection.cursor() as cursor:
        before = {name: _pragma(cursor, name) for name in wanted}
        for name, value in wanted.items():
            cursor.execute(f"PRAGMA {name} = {value}")
    try:
        yield
    finally:
        # A connection that was lost has taken its settings along.
        if connection.connection is not None:
            with contextlib.suppress(OperationalError), connection.cursor() as cursor:
                for name, number in before.items():
                    cursor.execute(f"PRAGMA {name} = {number}")


def _pragma(cursor: Any, name: str) -> int:
    cursor.execute(f"PRAGMA {name}")
    return int(cursor.fetchone()[0])
