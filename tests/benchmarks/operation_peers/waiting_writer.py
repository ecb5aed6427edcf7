"""Another writer, which only waits for its turn: ``python -m ...``, until its input ends.

SQLite: the one write lock of the database. PostgreSQL: the lock under which events are published. It asks
for it every few milliseconds and lets it go at once; at the end it prints how often, and the longest wait.
"""

import select
import sqlite3
import sys
import time

import django

_PAUSE_SECONDS = 0.005
_LOOK_SECONDS = 0.0005
_LONGEST_SECONDS = 60.0


def main() -> None:
    """Wait, over and over."""
    django.setup()
    from django.db import connection

    waits: list[float] = []
    turn = _postgresql_turn if connection.vendor == "postgresql" else _sqlite_turn
    connection.ensure_connection()
    print("ready", flush=True)
    ended = False
    while not ended:
        began = time.perf_counter()
        turn(connection.connection)
        waits.append(1e3 * (time.perf_counter() - began))
        ended = bool(select.select([sys.stdin], [], [], _PAUSE_SECONDS)[0])
    print(len(waits), max(waits), flush=True)


def _sqlite_turn(raw: sqlite3.Connection) -> None:
    # SQLite's own waiting sleeps up to 100 ms at a time, which would be in the figure.
    raw.execute("PRAGMA busy_timeout = 0")
    end = time.monotonic() + _LONGEST_SECONDS
    while True:
        try:
            raw.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(_LOOK_SECONDS)
            continue
        raw.execute("ROLLBACK")
        return


def _postgresql_turn(raw: object) -> None:
    from django.db import connection, transaction

    from medimgr.events import log

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [log._ADVISORY_LOCK])


if __name__ == "__main__":
    main()
