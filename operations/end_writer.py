"""Writes down how operations have ended: all that have gathered meanwhile, in one transaction.

A commit costs as much for twenty ends as for one, so the threads that carry operations out don't each make
their own. Nothing waits for more to gather. While the database is away, ends are kept.
"""

import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

from django.db import DatabaseError, InterfaceError, connections

from operations import lifecycle
from operations.exceptions import LeaseLost
from operations.lifecycle import End

logger = logging.getLogger(__name__)

_AT_A_TIME = 100
_SHORTEST_PAUSE = 0.25
_LONGEST_PAUSE = 15.0
_QUIET_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class _Waiting:
    end: End
    settled: Callable[[LeaseLost | None], None]


class EndWriter(threading.Thread):
    """The thread that ends operations, one for all of an executor."""

    def __init__(self) -> None:
        """Prepare; nothing is written before ``start``."""
        super().__init__(name="operation-ends", daemon=True)
        self._inbox: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._hurry = threading.Event()

    def put(self, end: End, settled: Callable[[LeaseLost | None], None]) -> None:
        """Have an end written; ``settled`` is called on this thread with what became of it.

        That is None, or LeaseLost where the operation had ended otherwise. It is not called for what could
        not be written before :meth:`end` cut the waiting for the database short.
        """
        self._inbox.put(_Waiting(end, settled))

    def end(self) -> None:
        """Write what has been put, wait for a database that is away no longer, then end; ``join`` it."""
        self._hurry.set()
        self._inbox.put(None)

    def run(self) -> None:
        """Write ends until :meth:`end`."""
        ending = False
        while not ending:
            gathered, ending = self._gather()
            if gathered:
                self._write(gathered)
        connections.close_all()

    def _gather(self) -> tuple[list[_Waiting], bool]:
        try:
            first = self._inbox.get(timeout=_QUIET_SECONDS)
        except queue.Empty:
            connections.close_all()
            first = self._inbox.get()
        gathered: list[_Waiting] = []
        while first is not None:
            gathered.append(first)
            if len(gathered) == _AT_A_TIME:
                return gathered, False
            try:
                first = self._inbox.get_nowait()
            except queue.Empty:
                return gathered, False
        return gathered, True

    def _write(self, gathered: list[_Waiting]) -> None:
        pause = _SHORTEST_PAUSE
        while True:
            try:
                outcomes = lifecycle.finish_all([one.end for one in gathered])
            except (DatabaseError, InterfaceError) as error:
                connections.close_all()
                pks = ", ".join(str(one.end.operation.pk) for one in gathered)
                logger.warning(
                    "the ends of operations %s are not stored yet: %s", pks, str(error).partition("\n")[0]
                )
                if self._hurry.is_set():
                    return
                self._hurry.wait(pause)
                pause = min(_LONGEST_PAUSE, pause * 2)
            except Exception:
                # One of them is what the database will never take; the others are not to suffer for it.
                connections.close_all()
                if len(gathered) > 1:
                    for one in gathered:
                        self._write([one])
                    return
                logger.exception("the end of operation %d can't be stored", gathered[0].end.operation.pk)
                gathered[0].settled(None)
                return
            else:
                for one, lost in zip(gathered, outcomes, strict=True):
                    one.settled(lost)
                return
