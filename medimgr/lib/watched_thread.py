"""A thread that asks the database over and over, and is replaced when no answer comes.

A server that is frozen, a network that swallows everything, a disk that hangs: the thread waits, and no
exception wakes it. So somebody else looks at the clock. A thread that has waited for too long gives way to
a new one, which goes on from the same state; what the old one is told after all, nobody hears.
"""

import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections

logger = logging.getLogger(__name__)

STUCK_SECONDS = 10.0
"""No answer for so long is none. Less than a lease, which the new thread has to renew in time."""
MOST_LEFT_BEHIND = 3
"""Replaced threads that may still wait for their answers before another one is."""


class Replaced(Exception):
    """Raised in a thread that has been replaced: whatever it knows is out of date."""


class Turn:
    """One thread's turn at the work. State that turns share may change only outside of :meth:`asking`."""

    def __init__(self) -> None:
        """Begin, in whichever thread."""
        self._lock = threading.Lock()
        self._asked_at: float | None = None
        self._replaced = False
        self._database: Any = None

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        """Wrap what waits for the database. Raises Replaced where it took too long, whatever came of it."""
        self._note(time.monotonic())
        try:
            yield
        except Exception as error:
            self._note(None, error)
            raise
        self._note(None)

    def heard(self) -> None:
        """Say within :meth:`asking` that an answer has come, and another one is waited for. May raise it."""
        self._note(time.monotonic())

    def _note(self, asked_at: float | None, error: Exception | None = None) -> None:
        with self._lock:
            self._asked_at = asked_at
            if self._replaced:
                raise Replaced from error

    def work_here(self) -> None:
        """Say that the calling thread does the work, over its own database connection."""
        self._database = connections[DEFAULT_DB_ALIAS]  # another object in each thread

    def is_stuck(self, seconds: float) -> bool:
        """Return whether an answer has been waited for longer than that."""
        asked_at = self._asked_at
        return asked_at is not None and time.monotonic() - asked_at > seconds

    def replace(self, seconds: float) -> bool:
        """Take the turn away where it is still stuck; return whether it was. The thread wakes if it can."""
        with self._lock:
            if not self.is_stuck(seconds):
                return False
            self._replaced = True
            # With the lock: the thread cannot have gone on meanwhile, and closed what we cut.
            _cut(self._database)
            return True


class WatchedThread:
    """Runs ``work`` in a daemon thread called ``name``, and again in a new one where it is stuck or dies."""

    def __init__(self, name: str, work: Callable[[Turn], None], stuck: Callable[[float], None]) -> None:
        """``stuck`` is called with the seconds waited, before the new thread starts; it must not wait.

        ``work`` returns once it has been told to end, by whatever means it has.
        """
        self._name = name
        self._work = work
        self._on_stuck = stuck
        self._turn = Turn()
        self._thread: threading.Thread | None = None
        self._left_behind: list[threading.Thread] = []
        self._done = False

    def start(self) -> None:
        """Start the thread."""
        turn = self._turn = Turn()
        self._thread = threading.Thread(target=self._run, args=[turn], name=self._name, daemon=True)
        self._thread.start()

    def join(self, timeout: float) -> None:
        """Wait for the end of the work, ``timeout`` seconds at most. It has to be told first. Idempotent."""
        self._done = True
        if self._thread is not None and self._thread.is_alive():
            self._thread.join(timeout)

    def look(self) -> None:
        """Replace the thread where that is due. To be called about every second; does not wait."""
        thread = self._thread
        if self._done or thread is None:
            return
        if not thread.is_alive():
            logger.error("The thread %s has died; another one takes over.", self._name)
            self.start()
            return
        self._left_behind = [left for left in self._left_behind if left.is_alive()]
        if len(self._left_behind) >= MOST_LEFT_BEHIND or not self._turn.replace(STUCK_SECONDS):
            return
        thread.name = f"{self._name}-left-behind"
        self._left_behind.append(thread)
        self._on_stuck(STUCK_SECONDS)
        self.start()

    def _run(self, turn: Turn) -> None:
        turn.work_here()
        try:
            self._work(turn)
        except Replaced:
            logger.info("A thread that waited for the database in vain has ended: %s.", self._name)
        else:
            self._done = True
        finally:
            connections[DEFAULT_DB_ALIAS].close()


def _cut(database: Any) -> None:
    """Shut the socket of a connection to PostgreSQL, so that who waits at it gets an error."""
    server = getattr(getattr(database, "connection", None), "pgconn", None)
    if server is None:
        return  # SQLite: nothing wakes who waits for a disk
    with contextlib.suppress(Exception):  # closed in this very moment; then nobody waits any more
        number = server.socket
        with socket.socket(fileno=os.dup(number)) as copy:
            if server.socket == number:
                copy.shutdown(socket.SHUT_RDWR)
