"""Waits until somebody has committed to the database, without asking it over and over.

SQLite: ``PRAGMA data_version`` on a connection of its own changes when another connection commits;
it is read when somebody has written to the database's files, and now and then in any case; where the system
does not tell of writes, over and over. PostgreSQL: ``LISTEN`` (wake_postgresql.py). Never shared
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

from medimgr.lib.file_writes import FileWrites

CHANNEL = "medimgr"
"""The channel of PostgreSQL on which a commit is told."""
SQLITE_POLL_SECONDS = 0.03
"""So often it is read while somebody writes, or where nobody tells of writes."""
REST_SECONDS = 0.008
"""In a row of commits one is noticed no more often than this."""
UNRESTED = 4
"""So many commits are noticed at once before there is a rest."""
_SOON_SECONDS = 0.0002
_WRITING_SECONDS = 0.3
_UNTOLD_SECONDS = 0.4
"""Reads it so often even though nobody was seen to write; also how late a call to stop may be heard."""


class Wake(Protocol):
    """Something that waits for a commit."""

    def wait(self, timeout: float, stop: threading.Event) -> bool:
        """Wait up to ``timeout`` seconds; return True where something may have been committed.

        Returns False early once ``stop`` is set. Raises sqlite3's or Django's OperationalError
        where the database went away; close this object and open a new one then.
        """

    def close(self) -> None:
        """Release the connection. Cannot fail."""


class SqliteWake:
    """Watches the files of one SQLite database, and reads ``data_version`` when they are written to."""

    def __init__(self, path: str) -> None:
        """Open the database file at ``path``, which must exist."""
        self._connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode=rw", uri=True, check_same_thread=False, timeout=1.0
        )
        self._version = self._read()  # from here on the write-ahead log is there, where there is to be one
        self._rested_at = float("-inf")
        self._writes: FileWrites | None = None
        with contextlib.suppress(OSError):
            self._writes = FileWrites([path, f"{path}-wal"])

    def _read(self) -> int:
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def wait(self, timeout: float, stop: threading.Event) -> bool:
        """See :class:`Wake`."""
        end = time.monotonic() + timeout
        # In a row of commits, whoever is woken each time would do nothing else. Each costs a rest, and a few
        # rests may be owed.
        self._pause(min(self._rested_at - UNRESTED * REST_SECONDS - time.monotonic(), timeout))
        written_at = float("-inf")
        while True:
            version = self._read()
            now = time.monotonic()
            if version != self._version:
                self._version, self._rested_at = version, max(self._rested_at, now) + REST_SECONDS
                return True
            if now >= end or stop.is_set():
                return False
            if self._writes is None:
                self._pause(min(SQLITE_POLL_SECONDS, end - now))
            elif now - written_at < _WRITING_SECONDS:
                # A commit is to be seen a moment after its last write. Longer and longer pauses: a slow disk.
                self._pause(min(max(_SOON_SECONDS, now - written_at), SQLITE_POLL_SECONDS, end - now))
                if self._writes.wait(0):
                    written_at = time.monotonic()
            elif self._writes.wait(min(_UNTOLD_SECONDS, end - now)):
                written_at = time.monotonic()

    def _pause(self, seconds: float) -> None:
        # Not stop.wait(): that makes a lock each time, which is most of what a look costs.
        if seconds > 0:
            time.sleep(seconds)

    def close(self) -> None:
        """See :class:`Wake`."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()
        if self._writes is not None:
            self._writes.close()


def open_wake(alias: str = "default") -> Wake:
    """Open a Wake on the database ``alias``. Raises sqlite3's or Django's OperationalError if it is away."""
    connection = connections[alias]
    if connection.vendor == "postgresql":
        # Its driver costs a process 10 MB, which one with SQLite need not pay.
        from medimgr.lib.wake_postgresql import PostgresqlWake

        return PostgresqlWake(connection.get_connection_params())
    return SqliteWake(str(connection.settings_dict["NAME"]))
