"""Freezes what PostgreSQL runs for other connections: it takes questions, and does not answer."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator

import psycopg
from django.db import connection

from tests.events.test_reading_the_log import database_url


def other_backends() -> set[int]:
    """Return the process ids of PostgreSQL's backends for this database, but for the caller's. One query."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return {row[0] for row in cursor.fetchall()}


@contextlib.contextmanager
def frozen(backends: set[int]) -> Iterator[None]:
    """Freeze these for the length of the block; those that have ended by then are no trouble."""
    assert backends
    try:
        with psycopg.connect(database_url()) as watcher:
            for pid in backends:
                _freeze_at_rest(pid, watcher)
        yield
    finally:
        for pid in backends:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def _freeze_at_rest(pid: int, watcher: psycopg.Connection) -> None:
    """Freeze a backend that waits for a question: any other may hold what the whole server waits for."""
    end = time.monotonic() + 10
    while True:
        os.kill(pid, signal.SIGSTOP)
        found = watcher.execute(
            "SELECT wait_event = 'ClientRead' AND state LIKE 'idle%%' FROM pg_stat_activity WHERE pid = %s",
            [pid],
        ).fetchone()
        watcher.commit()  # or it would go on seeing the same
        if found is None or found[0]:
            return
        os.kill(pid, signal.SIGCONT)
        assert time.monotonic() < end, f"The backend {pid} is never at rest."
        time.sleep(0.01)  # as it works
