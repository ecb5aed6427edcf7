"""Threads that read workstations: a bounded number, more only while there is work, none left at the end."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from django.db import connections

logger = logging.getLogger(__name__)

_busy: set[int] = set()
"""Whom a thread of this process is reading at the moment: nobody is read twice at a time."""
_busy_lock = threading.Lock()


def is_busy(pk: int) -> bool:
    """Return whether a thread of this process is at ``pk``, be it one that was given up."""
    with _busy_lock:
        return pk in _busy


class Readers:
    """Calls ``read`` for each workstation that it is given, in threads: ``at_once`` at a time at most."""

    def __init__(self, name: str, at_once: int, read: Callable[[int], None]) -> None:
        """Prepare; there is no thread before there is work."""
        self._name = name
        self._at_once = at_once
        self._read = read
        self._changed = threading.Condition()
        self._waiting: deque[int] = deque()
        self._threads: set[threading.Thread] = set()
        self._idle = 0
        self._ending = False

    def give(self, pk: int) -> None:
        """Have a workstation read as soon as a thread is free. One that is being read is left out."""
        with self._changed:
            if self._ending or pk in self._waiting or is_busy(pk):
                return
            self._waiting.append(pk)
            if self._idle < len(self._waiting) and len(self._threads) < self._at_once:
                number = len(self._threads)
                thread = threading.Thread(target=self._serve, name=f"{self._name}-{number}", daemon=True)
                self._threads.add(thread)
                thread.start()
            self._changed.notify()

    @property
    def at_rest(self) -> bool:
        """Return whether nobody is read and nobody waits."""
        with self._changed:
            return not self._waiting and self._idle == len(self._threads)

    def end(self) -> int:
        """Begin with nobody any more; return how many had to be left out. ``join`` it then."""
        with self._changed:
            self._ending = True
            left_out = len(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
        return left_out

    def join(self, seconds: float) -> list[str]:
        """Wait for the threads so long at most, and return the names of those that have not come back."""
        until = time.monotonic() + seconds
        with self._changed:
            threads = list(self._threads)
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        return [thread.name for thread in threads if thread.is_alive()]

    def _serve(self) -> None:
        try:
            while (pk := self._next()) is not None:
                try:
                    self._read(pk)
                except Exception:
                    logger.exception("reading workstation %d stumbled", pk)
                    connections.close_all()
                finally:
                    with _busy_lock:
                        _busy.discard(pk)
        finally:
            connections.close_all()
            with self._changed:
                self._threads.discard(threading.current_thread())

    def _next(self) -> int | None:
        with self._changed:
            while True:
                while not self._waiting:
                    if self._ending:
                        return None
                    self._idle += 1
                    try:
                        self._changed.wait()
                    finally:
                        self._idle -= 1
                pk = self._waiting.popleft()
                with _busy_lock:
                    if pk not in _busy:
                        _busy.add(pk)
                        return pk
