"""Watches over running jobs from a thread that does none of their work."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterable

from django.db import DatabaseError, InterfaceError, connections

from operations import lifecycle, words
from operations.clock_jumps import ClockJumps
from operations.exceptions import LeaseLost, OutOfTime
from operations.job import Job
from operations.states import Status

logger = logging.getLogger(__name__)

WATCH_SECONDS = 0.3
LET_GO_SECONDS = 1.0
"""So long a handler may take to come back after its deadline, before its operation ends without it."""
_NOT_BACK = "Its handler has not come back either: it was told to stop, and may still be at work."


class LeaseKeeper(threading.Thread):
    """Renews leases, enforces deadlines, and passes cancel requests and lost leases on to the jobs."""

    def __init__(
        self,
        owner: str,
        jobs: Callable[[], Iterable[Job]],
        *,
        lease_seconds: float = lifecycle.LEASE_SECONDS,
        watch_seconds: float = WATCH_SECONDS,
        also: Callable[[], object] = lambda: None,
    ) -> None:
        """Watch over what ``jobs()`` returns, as held by ``owner``, and call ``also`` after each look.

        It looks every ``watch_seconds``.
        """
        super().__init__(name="lease-keeper", daemon=True)
        self._owner = owner
        self._jobs = jobs
        self._lease_seconds = lease_seconds
        self._watch_seconds = watch_seconds
        self._renewed_at = time.monotonic()
        self._also = also
        self._clock = ClockJumps()
        self._jump = 0.0
        self._ended = threading.Event()
        self._away = False

    def end(self) -> None:
        """Ask the thread to end; ``join`` it then."""
        self._ended.set()

    def run(self) -> None:
        """Look after the jobs until :meth:`end`; survives the database being away."""
        while not self._ended.wait(self._watch_seconds):
            jobs = {job.operation.pk: job for job in self._jobs()}
            try:
                self._jump += self._clock.seconds()
                if jobs:
                    self._look(jobs)
                self._jump = 0.0
                if self._away:
                    logger.info("the database is back; leases are renewed again")
                self._away = False
            except (DatabaseError, InterfaceError) as error:
                if not self._away:
                    logger.warning("leases can't be renewed: %s", error)
                self._away = True
            except Exception:
                logger.exception("the lease keeper stumbled; it goes on")
            if self._away or not jobs:
                connections.close_all()
            try:
                self._also()
            except Exception:
                logger.exception("the lease keeper stumbled; it goes on")
        connections.close_all()

    def _look(self, jobs: dict[int, Job]) -> None:
        now = time.monotonic()
        standing = lifecycle.standing(self._owner)
        for pk, job in jobs.items():
            if job.returned:
                continue  # how it ended is being stored
            if pk not in standing:
                job.lose("The operation has been ended by somebody else. Stop working on it.")
            elif now >= job.deadline + LET_GO_SECONDS:
                self._time_out(job)
            elif now >= job.deadline:
                job.expire()
            elif (by := standing[pk]) is not None:
                job.cancel(by)
        if self._jump:
            logger.warning("the clock was set by %+.0f s; leases and deadlines go along", self._jump)
            lifecycle.redate([(job.operation, job.deadline - now) for job in jobs.values()])
        if self._jump or now - self._renewed_at >= self._lease_seconds / 3:
            # New jobs come with a full lease, so one renewal in a third of it covers all.
            lifecycle.renew([job.operation for job in jobs.values()], self._lease_seconds)
            self._renewed_at = now

    def _time_out(self, job: Job) -> None:
        detail = words.timed_out(job.operation)
        told = f"{detail} {_NOT_BACK}"
        with contextlib.suppress(LeaseLost):
            lifecycle.finish(job.operation, Status.TIMEOUT, OutOfTime.code, told)
            logger.warning("%s: %s", words.name(job.operation), told)
        job.lose(detail)
