"""Waits until somebody has committed to the database, without asking it over and over.

SQLite: ``PRAGMA data_version`` on a connection of its own changes when another connection commits;
reading it costs microseconds, so it is polled. PostgreSQL: ``LISTEN`` on one channel, with the poll
interval as a safety net for a lost notification. Never shared between threads.
Source: https://www.sqlite.org/pragma.html#pragma_data_version
"""

import contextlib
import sqlite3
import threading
import time
from typing import Protocol
from urllib.parse import quote

import psycopg
from django.db import connections

CHANNEL = "medimgr"
SQLITE_POLL_SECONDS = 0.05
POSTGRESQL_SAFETY_SECONDS = 1.0


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
            if left <= 0 or stop.wait(min(SQLITE_POLL_SECONDS, left)):
                return False

    def close(self) -> None:
        """See :class:`Wake`."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()


class PostgresqlWake:
    """Listens on one channel of a PostgreSQL database."""

    def __init__(self, parameters: dict[str, object]) -> None:
        """Connect with Django's connection ``parameters`` and listen."""
        wanted = {
            key: value
            for key, value in parameters.items()
            if key not in {"cursor_factory", "context", "prepare_threshold"}
        }
        self._connection = psycopg.connect(**wanted, autocommit=True)  # type: ignore[arg-type]
        self._connection.execute(f"LISTEN {CHANNEL}")

    def wait(self, timeout: float, stop: threading.Event) -> bool:
        """See :class:`Wake`. True after the safety interval too, since a notification can be lost."""
        end = time.monotonic() + timeout
        safety = time.monotonic() + POSTGRESQL_SAFETY_SECONDS
        while not stop.is_set():
            slice_end = min(end, safety, time.monotonic() + 0.25)
            for _ in self._connection.notifies(timeout=max(0.0, slice_end - time.monotonic()), stop_after=1):
                return True
            now = time.monotonic()
            if now >= safety:
                return True
            if now >= end:
                return False
        return False

    def close(self) -> None:
        """See :class:`Wake`."""
        with contextlib.suppress(psycopg.Error):
            self._connection.close()


def open_wake(alias: str = "default") -> Wake:
    """Open a Wake on the database ``alias``. Raises the driver's OperationalError where it is away."""
    connection = connections[alias]
    if connection.vendor == "postgresql":
        return PostgresqlWake(connection.get_connection_params())
    return SqliteWake(str(connection.settings_dict["NAME"]))
