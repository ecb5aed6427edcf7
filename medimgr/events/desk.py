"""The thread in which streams are admitted: whoever comes while it works is admitted in its next turn."""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

from django.db import connection

from medimgr.events.admission import Applicant, Outcome, admit_all
from medimgr.events.exceptions import DatabaseAway, ShuttingDown
from medimgr.events.opening import Opening
from medimgr.events.tail import TROUBLE
from medimgr.lib.loops import LoopGone
from medimgr.lib.problems import Problem
from medimgr.lib.request_problems import InternalError
from medimgr.lib.watched_thread import Turn, WatchedThread

logger = logging.getLogger(__name__)

AT_ONCE = 250
"""As many are admitted in one transaction, which holds up everybody else's writing."""
IDLE_SECONDS = 5.0
"""So long the thread keeps its database connection with nothing to do."""

_Waiting = tuple[Applicant, "asyncio.Future[Outcome]"]


class Desk:
    """Admits streams for one event loop."""

    def __init__(self, in_the_loop: Callable[[Callable[..., None]], Callable[..., None]]) -> None:
        """Prepare; the thread starts with the first applicant. ``in_the_loop`` makes a call threadsafe."""
        self._settle = in_the_loop(_settle)
        self._changed = threading.Condition()
        self._waiting: list[_Waiting] = []
        self._in_turn: list[_Waiting] = []
        self._thread = WatchedThread("stream-admission", self._run, self._note_stuck)
        self._started = self._closed = False

    async def admit(self, applicant: Applicant) -> Opening:
        """Return how the stream begins. Raises the Problem for which it is refused."""
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        with self._changed:
            if self._closed:
                raise ShuttingDown
            self._waiting.append((applicant, answer))
            self._changed.notify()
        if not self._started:
            self._started = True
            self._thread.start()
        outcome = await answer
        if isinstance(outcome, Problem):
            raise outcome
        return outcome

    def look(self) -> None:
        """Have another thread go on where this one is stuck or dead. See reader_watch.py."""
        self._thread.look()

    def close(self, timeout: float) -> None:
        """Refuse whoever comes from now on, and end the thread. Idempotent."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout)

    def _run(self, turn: Turn) -> None:
        try:
            while (waiting := self._next()) is not None:
                with turn.asking():
                    outcomes = _admit([applicant for applicant, _ in waiting])
                self._settle(waiting, outcomes)
        except LoopGone:
            return

    def _next(self) -> list[_Waiting] | None:
        with self._changed:
            while not self._waiting:
                if self._closed:
                    return None
                if not self._changed.wait(IDLE_SECONDS):
                    connection.close()
            self._in_turn, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
            return self._in_turn

    def _note_stuck(self, seconds: float) -> None:
        """Refuse those that no answer came for. Called in the loop."""
        logger.warning("Streams could not be admitted: no answer from the database for %g s.", seconds)
        _settle(self._in_turn, [DatabaseAway()] * len(self._in_turn))


def _admit(applicants: Sequence[Applicant], *, again: bool = True) -> list[Outcome]:
    try:
        return admit_all(applicants)
    except TROUBLE as error:
        if again:
            # The connection may be from before an outage that is over by now.
            connection.close()
            return _admit(applicants, again=False)
        logger.warning("%d stream(s) were refused: the database did not answer. %s", len(applicants), error)
        connection.close()
        return [DatabaseAway()] * len(applicants)
    except Exception as error:
        connection.close()
        if len(applicants) > 1:
            # One of them is the reason, and the others are not to suffer from it.
            logger.warning("Admitting %d streams together failed: %r", len(applicants), error)
            return [outcome for applicant in applicants for outcome in _admit([applicant], again=again)]
        logger.exception("Admitting a stream failed.")
        return [InternalError("Opening the stream failed; the server's log says why.")]


def _settle(waiting: Sequence[_Waiting], outcomes: Sequence[Any]) -> None:
    for (_, answer), outcome in zip(waiting, outcomes, strict=True):
        if not answer.done():  # its request may have been cancelled
            answer.set_result(outcome)
