"""What a handler sees of the operation that it carries out."""

import logging
import threading
import time
from typing import Any

from django.db import DatabaseError, InterfaceError, connections
from django.db.models import Model
from pydantic import BaseModel

from operations import lifecycle, registry, words
from operations.exceptions import Cancelled, LeaseLost, TargetGone
from operations.log_lines import OperationLog, without_secrets
from operations.log_writer import writer
from operations.models import Operation

logger = logging.getLogger(__name__)

PROGRESS_SECONDS = 0.25
_LONGEST_PAUSE = 5.0


class Job:
    """One claimed operation in the hands of its handler.

    The handler calls :meth:`progress` and :meth:`check_cancelled` as often as it likes: the first writes
    at most four times a second, the second only looks at a flag. It ends the operation by returning
    (SUCCESS) or by raising an OperationFailed or another Problem (FAILED with its code), Cancelled or
    anything else.
    """

    def __init__(self, operation: Operation) -> None:
        """Take an operation that was just claimed."""
        self.operation = operation
        self.kind = registry.get(operation.kind)
        seconds = words.deadline_seconds(operation.kind)
        # Measured from here by the monotonic clock: setting the wall clock ends no work.
        self.deadline = time.monotonic() + seconds
        self._changed = threading.Event()
        self._ended = threading.Event()
        self.cancelled_by = ""
        self._cancelled = False
        self._lost = ""
        self._lost_at = float("inf")
        self._expired = False
        self.returned = False
        """Whether its handler has come back. How it ended is being stored then, and nothing changes that."""
        self._reported_at = 0.0
        self._log: OperationLog | None = None
        self._log_lock = threading.Lock()

    def parameters(self) -> BaseModel:
        """Return the operation's parameters as an instance of the kind's schema."""
        return self.kind.parameters.model_validate(self.operation.parameters)

    def target(self) -> Model:
        """Return the row that the operation is about (one query). Raises TargetGone where it is."""
        target = self.kind.find(self.operation.target_key)
        if target is None:
            raise TargetGone(f"{self.operation.target_words} does not exist any more.")
        return target

    def progress(self, done: int, total: int = 0, message: str = "", *, at_once: bool = False) -> None:
        """Say how far the work has come; also a check (see :meth:`check_cancelled`).

        What comes too soon after the last write is kept and written with the next one or the end, unless
        ``at_once``: for a step that may take long. A database that is away costs the report, not the work.
        """
        self.check_cancelled()
        message = self.masked(message)
        now = time.monotonic()
        self.operation.progress_done = max(0, done)
        self.operation.progress_total = max(0, total)
        self.operation.progress_message = message[:300]
        if now - self._reported_at < PROGRESS_SECONDS and not at_once:
            return
        self._reported_at = now
        try:
            lifecycle.report(self.operation, done, total, message)
        except (DatabaseError, InterfaceError) as error:
            logger.warning("progress of operation %d was not stored: %s", self.operation.pk, error)

    def checkpoint(self, value: Any, done: int, total: int = 0, message: str = "") -> None:
        """Store for good up to where the work is done, then check as :meth:`check_cancelled` does.

        ``value`` is whatever of JSON the handler needs to go on from here; a retry of a resumable kind finds
        it in ``operation.checkpoint``. It returns once it is stored, however long the database is away, and
        raises LeaseLost where the operation has ended meanwhile.
        """
        pause = 0.1
        while True:
            try:
                lifecycle.checkpoint(self.operation, value, done, total, self.masked(message))
                break
            except (DatabaseError, InterfaceError) as error:
                logger.warning("a checkpoint of operation %d is not stored yet: %s", self.operation.pk, error)
                connections.close_all()
            # Not wait(): where a cancel comes, what is done is to be stored all the same.
            self._ended.wait(pause)
            self._check_lost()
            pause = min(_LONGEST_PAUSE, pause * 2)
        self._reported_at = time.monotonic()
        self.check_cancelled()

    def log(self, text: str, level: str = "info") -> None:
        """Add to the operation's log: one line, or several. Levels: debug, info, warning, error.

        Secrets are masked, long lines cut, and beyond 5,000 lines or 1 MiB nothing is kept. Never waits for
        the database, and raises nothing but ValueError for an unknown level: a thread stores what is
        there a few times a second, and the operation's end takes the rest along.
        """
        if self._own_log.add(text, level):
            writer.ring()

    def mask(self, value: str) -> None:
        """Keep ``value``, which is a secret, out of the log, the progress and the error of this operation."""
        self._own_log.mask(value)

    def masked(self, text: str) -> str:
        """Return ``text`` without what looks like a secret, and without the values given to :meth:`mask`."""
        return without_secrets(text) if self._log is None else self._log.masked(text)

    @property
    def _own_log(self) -> OperationLog:
        with self._log_lock:  # a handler may have threads of its own
            if self._log is None:
                self._log = OperationLog(self.operation)
            return self._log

    def check_cancelled(self) -> None:
        """Raise Cancelled where the operation was asked to stop, LeaseLost where it has ended already.

        Raises LeaseLost too once the deadline has passed. No query.
        """
        self._check_lost()
        if self._cancelled:
            raise Cancelled

    def _check_lost(self) -> None:
        if self._lost:
            raise LeaseLost(self._lost)
        if self._expired:
            raise LeaseLost(words.timed_out(self.operation))

    def wait(self, seconds: float) -> None:
        """Wait, but no longer than until there is a reason to stop; raises like :meth:`check_cancelled`."""
        self._changed.wait(seconds)
        self.check_cancelled()

    # What the executor tells it, from another thread.

    def cancel(self, by: str) -> None:
        """Make the next check raise Cancelled, as ``by`` asked."""
        self._cancelled = True
        self.cancelled_by = by
        self._changed.set()

    def expire(self) -> None:
        """Make the next check raise LeaseLost: its deadline has passed."""
        self._expired = True
        self._ended.set()
        self._changed.set()

    def lose(self, why: str) -> None:
        """Make the next check raise LeaseLost: whatever the handler still does counts for nothing."""
        self._lost_at = min(self._lost_at, time.monotonic())
        self._lost = self._lost or why
        self._ended.set()
        self._changed.set()

    @property
    def expired(self) -> bool:
        """Return whether its deadline has passed while its handler was at it."""
        return self._expired

    @property
    def lost(self) -> bool:
        """Return whether its operation is known to have ended without its handler."""
        return bool(self._lost)

    def overstayed(self, now: float) -> float:
        """Return for how many seconds its operation has ended by ``now``, by the monotonic clock."""
        return now - self._lost_at
