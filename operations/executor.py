"""The operations worker: claims operations, runs their handlers in threads, and ends each one truly."""

import contextlib
import logging
import os
import queue
import secrets
import sqlite3
import threading
import time

import psycopg
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connections

from medimgr.lib.problems import Problem
from medimgr.lib.wake import Wake, open_wake
from operations import lifecycle, words
from operations.exceptions import Cancelled, LeaseLost, OperationFailed, UnknownKind
from operations.job import Job
from operations.leases import WATCH_SECONDS, LeaseKeeper
from operations.models import Operation
from operations.registry import WORKER_QUEUE
from operations.states import Status

__all__ = ["Executor", "Job", "worker_name"]

logger = logging.getLogger(__name__)

DATABASE_ERRORS = (DatabaseError, InterfaceError, sqlite3.Error, psycopg.Error)
_IDLE_SECONDS = 1.0
_LONGEST_BACKOFF = 15.0

Outcome = tuple[Status, str, str]


def worker_name() -> str:
    """Return a name for this process that no other process, earlier or elsewhere, has."""
    return f"worker:{settings.MEDIMGR_NODE}:{os.getpid()}:{secrets.token_hex(4)}"


class Executor:
    """Serves one queue with a few threads until it is told to stop.

    All state that matters is in the database, under leases: a second executor may serve the same queue
    at the same time, and if this one is killed its operations end as ``lease-lost``.
    """

    def __init__(
        self,
        owner: str = "",
        *,
        queue_name: str = WORKER_QUEUE,
        threads: int = 4,
        lease_seconds: float = lifecycle.LEASE_SECONDS,
        grace_seconds: float = 8.0,
        watch_seconds: float = WATCH_SECONDS,
    ) -> None:
        """Prepare; nothing runs before :meth:`run`. ``grace_seconds``: what running work gets at the stop."""
        self.owner = owner or worker_name()
        self._queue_name = queue_name
        self._threads = threads
        self._lease_seconds = lease_seconds
        self._grace_seconds = grace_seconds
        self._watch_seconds = watch_seconds
        self._inbox: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._held: dict[int, Job] = {}
        self._lock = threading.Lock()
        self._freed = threading.Condition(self._lock)
        self._stopping = threading.Event()
        self._forced = threading.Event()
        self._attention = threading.Event()
        self._wake: Wake | None = None

    def stop(self) -> None:
        """Claim nothing more, let running work end within the grace, then return from :meth:`run`."""
        self._stopping.set()
        self._attention.set()
        with self._freed:
            self._freed.notify_all()

    def force(self) -> None:
        """Cut the grace short: what still runs is marked FAILED now."""
        self._forced.set()
        self.stop()

    def held(self) -> list[Job]:
        """Return the jobs under way."""
        with self._lock:
            return list(self._held.values())

    def run(self, *, drain: bool = False, most: int | None = None) -> int:
        """Serve the queue; return how many operations had to be abandoned (0 after a clean end).

        Ends at :meth:`stop`, with ``drain`` once nothing waits, and after ``most`` operations.
        """
        keeper = LeaseKeeper(
            self.owner, self.held, lease_seconds=self._lease_seconds, watch_seconds=self._watch_seconds
        )
        keeper.start()
        workers = [
            threading.Thread(target=self._work, name=f"operation-{n}", daemon=True)
            for n in range(self._threads)
        ]
        for worker in workers:
            worker.start()
        try:
            self._serve(drain=drain, most=most)
            abandoned = self._wind_up()
        finally:
            for _ in workers:
                self._inbox.put(None)
            keeper.end()
            self._close_wake()
            connections.close_all()
        if not abandoned:
            for thread in (*workers, keeper):
                thread.join(timeout=5.0)
        return abandoned

    def _serve(self, *, drain: bool, most: int | None) -> None:
        failures = taken = 0
        while not self._stopping.is_set() and (most is None or taken < most):
            try:
                # Before the claim: what is committed after it then ends the wait.
                self._wake = self._wake or open_wake()
                free = self._threads - len(self.held())
                wanted = free if most is None else min(free, most - taken)
                claimed = lifecycle.claim(
                    self._queue_name, self.owner, limit=wanted, lease_seconds=self._lease_seconds
                )
                for operation in claimed:
                    self._hand_out(operation)
                taken += len(claimed)
                if failures:
                    logger.info("operations are carried out again")
                failures = 0
                if claimed:
                    continue
                if drain and free == self._threads:
                    return
                self._wake.wait(_IDLE_SECONDS, self._attention)
                self._attention.clear()
            except Exception as error:
                pause = min(_LONGEST_BACKOFF, 0.25 * 2 ** min(failures, 10))
                failures += 1
                if isinstance(error, DATABASE_ERRORS):
                    logger.warning("the database is away (%s); next try in %.1f s", _first_line(error), pause)
                else:
                    logger.exception("the executor stumbled; next try in %.1f s", pause)
                self._close_wake()
                connections.close_all()
                self._stopping.wait(pause)

    def _hand_out(self, operation: Operation) -> None:
        try:
            job = Job(operation)
        except UnknownKind as problem:
            with contextlib.suppress(LeaseLost):
                lifecycle.finish(operation, Status.FAILED, problem.code, problem.detail)
            return
        with self._lock:
            self._held[operation.pk] = job
        self._inbox.put(job)

    def _work(self) -> None:
        while (job := self._inbox.get()) is not None:
            try:
                outcome = self._carry_out(job)
                if outcome is not None:
                    self._end(job, outcome)
            except BaseException:
                logger.exception("operation %d: its end was not stored", job.operation.pk)
            finally:
                connections.close_all()
                with self._freed:
                    self._held.pop(job.operation.pk, None)
                    self._freed.notify_all()
                self._attention.set()

    def _carry_out(self, job: Job) -> Outcome | None:
        """Run the handler and return how it ended; None where the operation is not ours any more."""
        operation = job.operation
        if job.kind.handler is None:
            return Status.FAILED, "no-handler", f"No operations worker carries out {operation.kind}."
        try:
            job.kind.handler(job)
        except Cancelled:
            who = job.cancelled_by or "its handler"
            return Status.CANCELLED, "cancelled", f"Cancelled by {who} while it was running."
        except LeaseLost as problem:
            logger.warning("%s: %s", words.name(operation), problem.detail)
            return None
        except (OperationFailed, Problem) as problem:
            return Status.FAILED, problem.code, problem.detail
        except BaseException as error:
            # Its message may hold anything, a password too: people get the type, the log the rest.
            logger.exception("%s failed unexpectedly", words.name(operation))
            detail = (
                f"{type(error).__name__} while carrying it out. The log of the operations worker "
                f"({self.owner}) has the details, under operation {operation.pk}."
            )
            return Status.FAILED, "internal-error", detail
        return Status.SUCCESS, "", ""

    def _end(self, job: Job, outcome: Outcome) -> None:
        """Store how a job ended, trying again while the database is away."""
        pause = 0.25
        while True:
            try:
                lifecycle.finish(job.operation, *outcome)
            except LeaseLost as problem:
                logger.warning("its work is done, but: %s", problem.detail)
            except (DatabaseError, InterfaceError) as error:
                connections.close_all()
                if self._forced.is_set():
                    raise
                logger.warning(
                    "the end of operation %d is not stored yet: %s", job.operation.pk, _first_line(error)
                )
                time.sleep(pause)
                pause = min(_LONGEST_BACKOFF, pause * 2)
                continue
            return

    def _wind_up(self) -> int:
        """Wait for running work up to the grace, abandon the rest; return how many that were."""
        # Only a stop has a grace: with ``drain`` or ``most`` the work takes what it takes.
        end: float | None = None
        with self._freed:
            while self._held and not self._forced.is_set():
                if end is None and self._stopping.is_set():
                    end = time.monotonic() + self._grace_seconds
                left = _IDLE_SECONDS if end is None else end - time.monotonic()
                if left <= 0:
                    break
                self._freed.wait(min(left, _IDLE_SECONDS))
        abandoned = self.held()
        self._forced.set()
        for job in abandoned:
            detail = (
                "The operations worker was stopped while it was under way. How far it came is not known: "
                "look at the target, then ask again if need be."
            )
            job.lose(detail)
            try:
                lifecycle.finish(job.operation, Status.FAILED, "worker-stopped", detail)
            except LeaseLost:
                continue  # it ended by itself just now
            except (DatabaseError, InterfaceError) as error:
                logger.warning("operation %d: its end was not stored: %s", job.operation.pk, error)
            logger.warning("abandoned %s", words.name(job.operation))
        return len(abandoned)

    def _close_wake(self) -> None:
        if self._wake is not None:
            self._wake.close()
            self._wake = None


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
