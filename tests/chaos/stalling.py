"""Holds the database for seconds, so that nobody else can write, as a backup may do."""

import sqlite3
import threading
import time
from contextlib import closing

import psycopg

_TABLES = (
    "monitoring_servicestatus, monitoring_run, monitoring_transition, monitoring_node, operations_operation"
)


class Stall:
    """One at a time; in a thread of its own."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._thread: threading.Thread | None = None

    @property
    def on(self) -> bool:
        """Return whether the database is held."""
        return self._thread is not None and self._thread.is_alive()

    def hold(self, seconds: float) -> None:
        """Hold it from now on. Returns at once."""
        self.wait()
        hold = self._sqlite if self._url.startswith("sqlite") else self._postgresql
        self._thread = threading.Thread(target=hold, args=(seconds,), name="stall", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Wait until it is over."""
        if self._thread is not None:
            self._thread.join()

    def _sqlite(self, seconds: float) -> None:
        path = self._url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path, timeout=20, isolation_level=None)) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            time.sleep(seconds)
            connection.execute("ROLLBACK")

    def _postgresql(self, seconds: float) -> None:
        with psycopg.connect(self._url) as connection:
            self._lock(connection)
            time.sleep(seconds)
            connection.rollback()

    def _lock(self, connection: psycopg.Connection) -> None:
        """Take all tables, one by one; PostgreSQL may end a deadlock on the way by refusing this end."""
        while True:
            try:
                connection.execute(f"LOCK TABLE {_TABLES} IN ACCESS EXCLUSIVE MODE")
                return
            except psycopg.errors.DeadlockDetected:
                connection.rollback()
