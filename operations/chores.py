"""Periodic work that the apps register, each chore done by one worker at a time under a lease.

The lease and the time of the next run are in the chore's row (ChoreRun), so any number of workers may
run this, and a chore goes on with another worker when one dies.
"""

import inspect
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, InterfaceError, connections
from django.db.models import Case, DateTimeField, F, Value, When
from django.utils import timezone

from operations.clock_jumps import ClockJumps
from operations.exceptions import UnknownChore
from operations.models import ChoreRun

logger = logging.getLogger(__name__)

LEASE_SECONDS = 30.0
RENEW_SECONDS = LEASE_SECONDS / 6
LOOK_SECONDS = 1.0
_AHEAD_SECONDS = 60.0
"""So far the clocks of two machines may differ."""
_AGAIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Chore:
    """Work to be done every ``every_seconds``.

    ``run`` returns what it did in a few words, or nothing where there was nothing to do. It may be
    killed at any moment, so it works in transactions that each leave things right. The first line of its
    docstring tells people what it does.
    """

    name: str
    every_seconds: float
    run: Callable[[], str | None]
    steady: bool = False
    """Begun every so many seconds, however long it takes: at the multiples of ``every_seconds`` of the wall
    clock. Else that many seconds after its end."""

    @property
    def does(self) -> str:
        """Return in a sentence what it does; empty where its function does not say."""
        return (inspect.getdoc(self.run) or "").partition("\n")[0]

    def next_after(self, now: datetime) -> datetime:
        """Return when it is due next where it has ended at ``now``."""
        wait = self.every_seconds
        if self.steady:
            wait -= now.timestamp() % self.every_seconds
        return now + timedelta(seconds=wait)


_chores: dict[str, Chore] = {}
_in_hand = threading.local()


def register(chore: Chore) -> None:
    """Declare a chore; a second declaration of the same name replaces the first."""
    _chores[chore.name] = chore


def unregister(name: str) -> None:
    """Forget a chore. For tests."""
    _chores.pop(name, None)


def all_chores() -> dict[str, Chore]:
    """Return every chore by name."""
    return dict(_chores)


def stopping() -> threading.Event:
    """Return what is set once the chore that this thread runs is to end, since its worker stops.

    A chore that takes long looks at it, or waits with it. In a thread that runs none it is never set.
    """
    return getattr(_in_hand, "stopping", None) or threading.Event()


def take_due(owner: str, chores: dict[str, Chore]) -> list[Chore]:
    """Take those of ``chores`` that are due and that nobody holds, and return them.

    One query where none is due; makes the rows of chores that have none. A lease that has run out
    means that its holder died over the chore: that is logged, and the chore is taken over. Times that are
    too far ahead to be meant are from before the clock was set back, and count as now.
    """
    now = timezone.now()
    known = {row.name: row for row in ChoreRun.objects.filter(name__in=chores)}
    missing = [ChoreRun(name=name, next_at=now) for name in chores if name not in known]
    if missing:
        ChoreRun.objects.bulk_create(missing, ignore_conflicts=True)
        known |= {row.name: row for row in missing}
    taken = []
    for name, row in known.items():
        as_read = ChoreRun.objects.filter(
            name=name, owner=row.owner, lease_until=row.lease_until, next_at=row.next_at
        )
        if row.owner and row.lease_until is not None and row.lease_until >= now:
            if row.lease_until > now + timedelta(seconds=LEASE_SECONDS + _AHEAD_SECONDS):
                # Whoever holds it renews it within seconds, if he lives.
                as_read.update(lease_until=now + timedelta(seconds=LEASE_SECONDS))
            continue
        latest = now + timedelta(seconds=chores[name].every_seconds + _AHEAD_SECONDS)
        if now < row.next_at <= latest and not row.owner:
            continue
        changed = as_read.update(
            owner=owner,
            lease_until=now + timedelta(seconds=LEASE_SECONDS),
            started_at=now,
            next_at=now,
        )
        if changed:
            if row.owner:
                logger.error("chore %s: %s died over it; it is taken over", name, row.owner)
            taken.append(chores[name])
    return taken


def run_now(name: str) -> ChoreRun:
    """Make a chore due, and return its row; one that runs at the moment runs once more after that.

    It is done by whatever worker looks next, which takes a second. Raises UnknownChore. Two queries.
    """
    if name not in _chores:
        raise UnknownChore(f"There is no chore called {name!r}. Known: {', '.join(sorted(_chores))}.")
    now = timezone.now()
    if not ChoreRun.objects.filter(name=name).update(next_at=now):
        ChoreRun.objects.get_or_create(name=name, defaults={"next_at": now})
    return ChoreRun.objects.get(name=name)


def renew(owner: str, names: list[str]) -> None:
    """Extend the leases of chores that ``owner`` runs. One query."""
    if names:
        until = timezone.now() + timedelta(seconds=LEASE_SECONDS)
        ChoreRun.objects.filter(name__in=names, owner=owner).update(lease_until=until)


def carry_out(chore: Chore, owner: str) -> None:
    """Run a chore that was taken, and store how it went. Raises the database's errors alone."""
    give_back(chore, owner, _done(chore, owner))


def _done(chore: Chore, owner: str) -> dict[str, Any]:
    """Run the chore and return how it went, as columns of its row."""
    result, error = "", ""
    began = time.monotonic()
    try:
        result = chore.run() or ""
    except Exception as failure:
        logger.exception("chore %s failed", chore.name)
        # Its message may hold anything; the row, which staff may read, gets the type and the place.
        error = f"{type(failure).__name__}; the log of the operations worker ({owner}) has the details."
    if result:
        logger.info("chore %s: %s", chore.name, result)
    return {
        "result": result[:300],
        "error": error,
        "finished_at": timezone.now(),
        "took_seconds": time.monotonic() - began,
        "failures": F("failures") + 1 if error else 0,
    }


def give_back(chore: Chore, owner: str, values: Mapping[str, Any]) -> None:
    """Store how a run went, and let go of the chore until it is due again. One query."""
    # It was taken when it was due: a later time means that somebody has asked for a run since.
    next_at = Case(
        When(next_at__gt=F("started_at"), then=F("next_at")),
        default=Value(chore.next_after(timezone.now())),
        output_field=DateTimeField(),
    )
    ChoreRun.objects.filter(name=chore.name, owner=owner).update(
        owner="", lease_until=None, next_at=next_at, **values
    )


class ChoreRunner(threading.Thread):
    """Looks for due chores and runs each in a thread of its own, so that a slow one holds up none."""

    def __init__(self, owner: str, *, look_seconds: float = LOOK_SECONDS) -> None:
        """Prepare to run all registered chores as ``owner``."""
        super().__init__(name="chores", daemon=True)
        self._owner = owner
        self._look_seconds = look_seconds
        self._ended = threading.Event()
        self._running: dict[str, threading.Thread] = {}
        self._renewed_at = float("-inf")
        self._clock = ClockJumps()

    def end(self, grace_seconds: float) -> None:
        """Start nothing more; wait for running chores, but not longer than the grace.

        What is cut off keeps its lease, and another worker takes it over when that runs out.
        """
        self._ended.set()
        self.join(timeout=grace_seconds)
        deadline = time.monotonic() + grace_seconds
        for name, thread in list(self._running.items()):
            thread.join(timeout=max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                logger.warning("chore %s was cut off by the worker's stop", name)

    def run(self) -> None:
        """Look for due chores until :meth:`end`; survives the database being away."""
        away = False
        while not self._ended.is_set():
            try:
                self._running = {name: t for name, t in self._running.items() if t.is_alive()}
                self._renew()
                idle = {n: chore for n, chore in all_chores().items() if n not in self._running}
                for chore in take_due(self._owner, idle):
                    thread = threading.Thread(
                        target=self._run_one, args=(chore,), name=f"chore-{chore.name}", daemon=True
                    )
                    self._running[chore.name] = thread
                    thread.start()
                away = False
            except (DatabaseError, InterfaceError) as error:
                if not away:
                    logger.warning("chores wait for the database: %s", error)
                away = True
                connections.close_all()
            except Exception:
                logger.exception("the chores stumbled; they go on")
                connections.close_all()
            self._ended.wait(self._look_seconds)
        connections.close_all()

    def _renew(self) -> None:
        # A write, so not at each look; but at once where the clock was set, since all leases went along.
        now = time.monotonic()
        if self._clock.seconds() or now - self._renewed_at >= RENEW_SECONDS:
            renew(self._owner, list(self._running))
            self._renewed_at = now

    def _run_one(self, chore: Chore) -> None:
        _in_hand.stopping = self._ended
        # While this thread lives the lease is renewed, so nobody else takes the chore meanwhile.
        told = False
        values = _done(chore, self._owner)
        while True:
            try:
                give_back(chore, self._owner, values)
                return
            except (DatabaseError, InterfaceError) as error:
                if not told:
                    logger.warning("chore %s: its result is not stored yet: %s", chore.name, error)
                told = True
            finally:
                connections.close_all()
            if self._ended.wait(_AGAIN_SECONDS):
                return
