"""Waits until somebody has committed to the database, without asking it over and over.

SQLite: ``PRAGMA data_version`` on a connection of its own changes when another connection commits;
reading it costs microseconds, so it is polled. PostgreSQL: ``LISTEN`` (wake_postgresql.py). Never shared
between threads.
Source: https://www.sqlite.org/pragma.html#pragma_data_version
"""

import contextlib
import sqlite3
import threading
import time
from typing import Protocol
from urllib.parse import quote

from django.db import connections

CHANNEL = "medimgr"
"""The channel of PostgreSQL on which a commit is told."""
SQLITE_POLL_SECONDS = 0.03


class Wake(Protocol):
    """Something that waits for a commit."""

    def wait(self, timeout: float, stop: threading.Event) -> bool:
        """Wait up to ``timeout`` seconds; return True where something may have been committed.

        Returns False early once ``stop`` is set. Raises the driver's OperationalError where the
        database went away; close this object and open a new one then.
        """

    def close(self) -> None:
        """Release the connection. Cannot fail."""


class SqliteWake:
    """Polls ``data_version`` of one SQLite file."""

    def __init__(self, path: str) -> None:
        """Open the database file at ``path``, which must exist."""
        self._connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode=rw", uri=True, check_same_thread=False, timeout=1.0
        )
        self._version = self._read()

    def _read(self) -> int:
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def wait(self, timeout: float, stop: threading.Event) -> bool:
        """See :class:`Wake`."""
        end = time.monotonic() + timeout
        while True:
            version = self._read()
            if version != self._version:
                self._version = version
                return True
            left = end - time.monotonic()
            if left <= 0 or stop.is_set():
                return False
            # Not stop.wait(): that makes a lock each time, which is most of what a look costs.
            time.sleep(min(SQLITE_POLL_SECONDS, left))

    def close(self) -> None:
        """See :class:`Wake`."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()


def open_wake(alias: str = "default") -> Wake:
    """Open a Wake on the database ``alias``. Raises the driver's OperationalError where it is away."""
    connection = connections[alias]
    if connection.vendor == "postgresql":
        # Its driver costs a process 10 MB, which one with SQLite need not pay.
        from medimgr.lib.wake_postgresql import PostgresqlWake

        return PostgresqlWake(connection.get_connection_params())
    return SqliteWake(str(connection.settings_dict["NAME"]))
