"""The operations worker: claims operations, runs their handlers in threads, and ends each one truly."""

import logging
import os
import secrets
import sqlite3
import threading
import time
import traceback

import psycopg
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connections

from medimgr.lib.log_context import working_on
from medimgr.lib.problems import Problem
from medimgr.lib.request_problems import InternalError
from medimgr.lib.wake import Wake, open_wake
from operations import claiming, lifecycle, words
from operations.crew import Crew
from operations.due_times import DueTimes
from operations.end_writer import EndWriter
from operations.exceptions import (
    Cancelled,
    CancelledByRequest,
    LeaseLost,
    NoHandler,
    OutOfTime,
    UnknownKind,
    WorkerStopped,
)
from operations.job import Job
from operations.leases import WATCH_SECONDS, LeaseKeeper
from operations.lifecycle import End
from operations.models import Operation
from operations.registry import WORKER_QUEUE
from operations.states import Status

__all__ = ["Executor", "Job", "worker_name"]

logger = logging.getLogger(__name__)

DATABASE_ERRORS = (DatabaseError, InterfaceError, sqlite3.Error, psycopg.Error)
_IDLE_SECONDS = 1.0
_LONGEST_BACKOFF = 15.0
_MOST_UNWRITTEN = 200
_LONG_LOOK_SECONDS = 0.02
_STOPPED = (
    "The operations worker was stopped while it was under way. How far it came is not known: "
    "look at the target, then ask again if need be."
)

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
        self._crew = Crew(threads, self._work)
        self._ends = EndWriter()
        self._due = DueTimes(queue_name)
        self.taken = 0
        """How many operations it has taken so far."""
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
        """Return the jobs under way, and those whose end is being stored."""
        with self._lock:
            return list(self._held.values())

    def run(self, *, drain: bool = False, most: int | None = None) -> int:
        """Serve the queue; return how many operations had to be abandoned (0 after a clean end).

        Ends at :meth:`stop`, with ``drain`` once nothing waits, and after ``most`` operations.
        """
        keeper = LeaseKeeper(
            self.owner,
            self.held,
            lease_seconds=self._lease_seconds,
            watch_seconds=self._watch_seconds,
            also=self._give_up,
        )
        keeper.start()
        self._ends.start()
        self._crew.start()
        try:
            self._serve(drain=drain, most=most)
            abandoned = self._wind_up()
        finally:
            self._ends.end()
            keeper.end()
            self._close_wake()
            connections.close_all()
            self._crew.end()
        if not abandoned:
            for thread in (*self._crew.threads(), self._ends, keeper):
                thread.join(timeout=5.0)
        return abandoned

    def _serve(self, *, drain: bool, most: int | None) -> None:
        failures = 0
        busy = False
        while not self._stopping.is_set() and (most is None or self.taken < most):
            try:
                # Before the claim: what is committed after it then ends the wait.
                self._wake = self._wake or open_wake()
                free = self._free() if most is None else min(self._free(), most - self.taken)
                if free < 1:
                    self._wait_for_room()
                    continue
                began = time.monotonic()
                # Before the claim too: what ends between the two may be what the others waited for.
                at_work = bool(self.held())
                got = claiming.take(
                    self._queue_name,
                    self.owner,
                    limit=free,
                    lease_seconds=self._lease_seconds,
                    ahead=self._crew.ahead() if most is None else 0,
                    ahead_kinds=self._crew.brief_kinds(),
                    busy=busy,
                )
                busy = bool(got.operations)
                for operation in got.operations:
                    self._hand_out(operation)
                self.taken += len(got.operations)
                if failures:
                    logger.info("operations are carried out again")
                failures = 0
                if got.operations:
                    continue
                if drain:
                    if not at_work:
                        return
                    if self.held():
                        self._wait_for_room()
                    continue
                # A look over many that are all at their limits takes a while; every commit would ask for one.
                took = time.monotonic() - began
                if took > _LONG_LOOK_SECONDS:
                    self._stopping.wait(min(3 * took, _IDLE_SECONDS))
                self._wake.wait(self._idle_seconds(got.waiting), self._attention)
                self._attention.clear()
            except Exception as error:
                pause = min(_LONGEST_BACKOFF, 0.25 * 2 ** min(failures, 10))
                failures += 1
                busy = False
                if isinstance(error, DATABASE_ERRORS):
                    logger.warning("the database is away (%s); next try in %.1f s", _first_line(error), pause)
                else:
                    logger.exception("the executor stumbled; next try in %.1f s", pause)
                self._close_wake()
                connections.close_all()
                self._stopping.wait(pause)

    def _free(self) -> int:
        """Return how many threads have nothing to do."""
        with self._lock:
            busy = sum(not job.returned for job in self._held.values())
            unwritten = len(self._held) - busy
        # Where the database is slow, what is done and not stored must not pile up.
        return min(self._threads - busy, _MOST_UNWRITTEN - unwritten)

    def _wait_for_room(self) -> None:
        with self._freed:
            self._freed.wait(_IDLE_SECONDS)

    def _idle_seconds(self, waiting: bool) -> float:
        due = self._due.seconds() if waiting else None
        return _IDLE_SECONDS if due is None else min(_IDLE_SECONDS, max(0.0, due))

    def _hand_out(self, operation: Operation) -> None:
        try:
            job = Job(operation)
        except UnknownKind as problem:
            end = End(operation, Status.FAILED, problem.code, problem.detail)
            self._ends.put(end, lambda _: None)
            return
        with self._lock:
            self._held[operation.pk] = job
        self._crew.hand_out(job)

    def _work(self, job: Job) -> None:
        """Carry a job out on one of the crew's threads, and have its end stored."""
        row = job.operation
        with working_on(row.pk, requested_as=row.request_id, asked_by=row.requester):
            outcome = self._carry_out(job)
        job.returned = outcome is not None
        if outcome is None or job.lost:
            if outcome is not None:
                logger.warning("%s: its work is done, but it had ended before", words.name(job.operation))
            self._let_go(job)
            return
        self._ends.put(End(job.operation, *outcome), lambda lost: self._settled(job, lost))
        self._tell_of_room()

    def _settled(self, job: Job, lost: LeaseLost | None) -> None:
        if lost is not None:
            logger.warning("its work is done, but: %s", lost.detail)
        self._let_go(job)

    def _let_go(self, job: Job) -> None:
        with self._lock:
            if self._held.get(job.operation.pk) is job:
                del self._held[job.operation.pk]
        self._tell_of_room()

    def _tell_of_room(self) -> None:
        with self._freed:
            self._freed.notify_all()

    def _give_up(self) -> None:
        """Forget the jobs whose handlers do not come back; their operations have ended."""
        for job in self._crew.look():
            self._let_go(job)

    def _carry_out(self, job: Job) -> Outcome | None:
        """Run the handler and return how it ended; None where the operation is not ours any more."""
        operation = job.operation
        if job.kind.handler is None:
            return Status.FAILED, NoHandler.code, f"No operations worker carries out {operation.kind}."
        when = "before it began"
        try:
            job.check_cancelled()
            when = "while it was running"
            job.kind.handler(job)
        except Cancelled:
            by = f"Cancelled by {job.cancelled_by or 'its handler'} {when}."
            return Status.CANCELLED, CancelledByRequest.code, by
        except LeaseLost as problem:
            logger.warning("%s: %s", words.name(operation), problem.detail)
            if job.lost:
                return None
            if job.expired:
                return Status.TIMEOUT, OutOfTime.code, words.timed_out(operation)
            return Status.FAILED, problem.code, job.masked(problem.detail)
        except Problem as problem:
            return Status.FAILED, problem.code, job.masked(problem.detail)
        except BaseException as error:
            # Its message may hold anything, a password too: people get the type, the log the rest.
            trace = job.masked("".join(traceback.format_exception(error)))
            logger.error("%s failed unexpectedly\n%s", words.name(operation), trace)
            detail = (
                f"{type(error).__name__} while carrying it out. The log of the operations worker "
                f"({self.owner}) has the details, under operation {operation.pk}."
            )
            return Status.FAILED, InternalError.code, detail
        return Status.SUCCESS, "", ""

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
        self._forced.set()
        under_way = [job for job in self.held() if not job.returned]
        for job in under_way:
            job.lose(_STOPPED)
        try:
            code = WorkerStopped.code
            ends = [End(job.operation, Status.FAILED, code, _STOPPED) for job in under_way]
            lost = lifecycle.finish_all(ends) if ends else []
            # What has an outcome of its own just ended by itself.
            under_way = [job for job, other in zip(under_way, lost, strict=True) if other is None]
        except (DatabaseError, InterfaceError) as error:
            logger.warning("the ends of %d operations were not stored: %s", len(under_way), error)
        for job in under_way:
            logger.warning("abandoned %s", words.name(job.operation))
        self._ends.end()
        self._ends.join(timeout=2.0)
        unwritten = [job for job in self.held() if job.returned]
        for job in unwritten:
            logger.warning("operation %d: its end was not stored", job.operation.pk)
        return len(under_way) + len(unwritten)

    def _close_wake(self) -> None:
        if self._wake is not None:
            self._wake.close()
            self._wake = None


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
