"""Waits for commits to PostgreSQL: ``LISTEN`` on one channel, and a look now and then as a safety net."""

import contextlib
import threading
import time
from collections.abc import Iterator

import psycopg
from django.db import OperationalError

from medimgr.lib.wake import CHANNEL

POSTGRESQL_SAFETY_SECONDS = 1.0


class PostgresqlWake:
    """Listens on one channel of a PostgreSQL database."""

    def __init__(self, parameters: dict[str, object]) -> None:
        """Connect with Django's connection ``parameters`` and listen. Raises Django's OperationalError."""
        wanted = {
            key: value
            for key, value in parameters.items()
            if key not in {"cursor_factory", "context", "prepare_threshold"}
        }
        with _told_by_django():
            self._connection = psycopg.connect(**wanted, autocommit=True)  # type: ignore[arg-type]
            self._connection.execute(f"LISTEN {CHANNEL}")

    def wait(self, timeout: float, stop: threading.Event) -> bool:
        """See ``medimgr.lib.wake.Wake``. True after the safety interval too: a notification can be lost."""
        with _told_by_django():
            return self._wait(timeout, stop)

    def _wait(self, timeout: float, stop: threading.Event) -> bool:
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
        """See ``medimgr.lib.wake.Wake``."""
        with contextlib.suppress(psycopg.Error):
            self._connection.close()


@contextlib.contextmanager
def _told_by_django() -> Iterator[None]:
    """Raise the driver's errors as Django's, so that nobody else has to know the driver."""
    try:
        yield
    except psycopg.Error as error:
        raise OperationalError(str(error)) from error
