"""Freezes what PostgreSQL runs for other connections: it takes questions, and does not answer."""

import contextlib
import os
import signal
from collections.abc import Iterator

from django.db import connection


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
        for pid in backends:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in backends:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
