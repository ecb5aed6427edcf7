"""What a handler sees of the operation that it carries out."""

import logging
import threading
import time

from django.db import DatabaseError, InterfaceError
from django.db.models import Model
from pydantic import BaseModel

from operations import lifecycle, registry, words
from operations.exceptions import Cancelled, LeaseLost, OperationFailed
from operations.log_lines import OperationLog, without_secrets
from operations.log_writer import writer
from operations.models import Operation

logger = logging.getLogger(__name__)

PROGRESS_SECONDS = 0.25


class Job:
    """One claimed operation in the hands of its handler.

    The handler calls :meth:`progress` and :meth:`check_cancelled` as often as it likes: the first writes
    at most four times a second, the second only looks at a flag. It ends the operation by returning
    (SUCCESS) or by raising OperationFailed (FAILED with a code), Cancelled or anything else.
    """

    def __init__(self, operation: Operation) -> None:
        """Take an operation that was just claimed."""
        self.operation = operation
        self.kind = registry.get(operation.kind)
        seconds = words.deadline_seconds(operation.kind)
        # Measured from here by the monotonic clock: setting the wall clock ends no work.
        self.deadline = time.monotonic() + seconds
        self._changed = threading.Event()
        self.cancelled_by = ""
        self._cancelled = False
        self._lost = ""
        self._reported_at = 0.0
        self._log: OperationLog | None = None
        self._log_lock = threading.Lock()

    def parameters(self) -> BaseModel:
        """Return the operation's parameters as an instance of the kind's schema."""
        return self.kind.parameters.model_validate(self.operation.parameters)

    def target(self) -> Model:
        """Return the row that the operation is about (one query). Raises OperationFailed where it is gone."""
        target = self.kind.find(self.operation.target_key)
        if target is None:
            raise OperationFailed("target-gone", f"{self.operation.target} does not exist any more.")
        return target

    def progress(self, done: int, total: int = 0, message: str = "") -> None:
        """Say how far the work has come; also a check (see :meth:`check_cancelled`).

        What comes too soon after the last write is kept and written with the next one or the end. A
        database that is away costs the report, not the work.
        """
        self.check_cancelled()
        message = self.masked(message)
        now = time.monotonic()
        self.operation.progress_done = max(0, done)
        self.operation.progress_total = max(0, total)
        self.operation.progress_message = message[:300]
        if now - self._reported_at < PROGRESS_SECONDS:
            return
        self._reported_at = now
        try:
            lifecycle.report(self.operation, done, total, message)
        except (DatabaseError, InterfaceError) as error:
            logger.warning("progress of operation %d was not stored: %s", self.operation.pk, error)

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
        if self._lost:
            raise LeaseLost(self._lost)
        if self._cancelled:
            raise Cancelled

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

    def lose(self, why: str) -> None:
        """Make the next check raise LeaseLost: whatever the handler still does counts for nothing."""
        self._lost = self._lost or why
        self._changed.set()
