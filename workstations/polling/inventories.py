"""The chore that reads the emulators of all workstations that answer, each at its turn."""

import heapq
import logging
import threading
import time
from datetime import datetime

from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from operations import chores
from workstations.models import Workstation
from workstations.polling.beats import Turns, beat, left_until
from workstations.polling.readers import Readers, is_busy
from workstations.polling.reading import Memory, Stopped, read_one
from workstations.states import Reachability

logger = logging.getLogger(__name__)

CHORE = "workstations.inventory"
AT_ONCE = 16
"""How many workstations that are in order are read at a time."""
DOUBTFUL_AT_ONCE = 12
"""How many others: those that did not answer as they should, or took long, hold up nobody but each other."""
LONG_SECONDS = 5.0
_LONGEST, _SHORTEST = 25.0, 5.0
_SHARE = 0.4
_LOOK_SECONDS = 1.0
_REST_SECONDS = 0.1
_GRACE_SECONDS = 5.0


class Remembered:
    """What a process keeps from one round to the next; a new one begins with everybody."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.turns = Turns()
        self.returned: dict[int, datetime | None] = {}
        """Since when those answer that were read out of turn."""
        self.slow: set[int] = set()
        self.tried: dict[int, float] = {}
        """When the doubtful ones were last begun with."""
        self.configs = Memory()


_remembered = Remembered()


def read_emulators() -> str:
    """Read the emulators of each workstation that answers, and store and publish what has changed.

    Those that have just begun to answer are read at once, the others each at its turn; the offline ones not
    at all. Takes MEDIMGR_INVENTORY_SECONDS at most, and ends when the worker does. Returns a few words where
    somebody had to be left out.
    """
    return Round(chores.stopping(), settings.MEDIMGR_INVENTORY_SECONDS).run()


def seconds_each(every_seconds: float) -> float:
    """Return how long one workstation may take where all are read every so often. Pure."""
    return min(_LONGEST, max(_SHORTEST, _SHARE * every_seconds))


class Round:
    """One run of the chore."""

    def __init__(
        self, stopping: threading.Event, every_seconds: float, remembered: Remembered = _remembered
    ) -> None:
        """Take what says that the worker stops, how often there is a round, and what the last one left."""
        self._known = remembered
        self._stopping = stopping
        self._every = every_seconds
        self._each = seconds_each(every_seconds)
        self._beat = beat(time.time(), every_seconds)
        self._pending: list[tuple[float, int, bool]] = []
        self._ready = Readers("inventory", AT_ONCE, self._read)
        self._doubtful = Readers("inventory-doubtful", DOUBTFUL_AT_ONCE, self._read)
        self._still_busy: set[int] = set()
        self._given: dict[int, float] = {}
        self._looked_at = float("-inf")

    def run(self) -> str:
        """Read all whose turn comes; see :func:`read_emulators`."""
        # Whoever begins late still has time for those whose turn has passed.
        until_next = (self._beat + 1) * self._every - time.time()
        over = time.monotonic() + max(self._each, until_next - self._each)
        self._plan()
        try:
            while not self._stopping.is_set() and time.monotonic() < over:
                self._look_for_returned()
                self._hand_out()
                if not self._pending and self._ready.at_rest and self._doubtful.at_rest:
                    break
                self._stopping.wait(self._pause())
        finally:
            left_out = self._end()
        return self._in_words(left_out)

    def _plan(self) -> None:
        workstations = list(_to_be_read().exclude(status=Reachability.UNKNOWN))
        self._known.turns.keep({one.pk for one in workstations})
        now, begin, spread = time.time(), time.monotonic(), self._every - self._each - 1.0
        doubtful = []
        for one in workstations:
            if self._known.turns.had(one.pk, self._beat):
                continue
            if one.status != Reachability.ONLINE or one.failures or one.pk in self._known.slow:
                doubtful.append(one.pk)
                continue
            heapq.heappush(
                self._pending, (begin + left_until(one.pk, now, self._every, spread), one.pk, False)
            )
        # There may be more of these than there is time for: first those that have waited longest.
        doubtful.sort(key=lambda pk: self._known.tried.get(pk, 0.0))
        for rank, pk in enumerate(doubtful):
            heapq.heappush(self._pending, (begin + max(0.0, spread) * rank / len(doubtful), pk, True))

    def _look_for_returned(self) -> None:
        """Hand out those that answer since they were last read. One query a second."""
        if time.monotonic() - self._looked_at < _LOOK_SECONDS:
            return
        self._looked_at = time.monotonic()
        rows = _to_be_read().filter(status=Reachability.ONLINE)
        unread = rows.filter(Q(read_at=None) | Q(read_at__lt=F("status_since")))
        for one in unread.only("status_since"):
            if self._known.returned.get(one.pk) != one.status_since:
                self._known.returned[one.pk] = one.status_since
                self._give(one.pk, doubtful=False)

    def _hand_out(self) -> None:
        while self._pending and self._pending[0][0] <= time.monotonic():
            _, pk, doubtful = heapq.heappop(self._pending)
            self._give(pk, doubtful=doubtful)

    def _give(self, pk: int, *, doubtful: bool) -> None:
        self._known.turns.take(pk, self._beat)
        now = time.monotonic()
        if now - self._given.get(pk, float("-inf")) < self._every / 4:
            return  # it has just been read out of turn
        self._given[pk] = now
        if is_busy(pk):
            self._still_busy.add(pk)
            return
        (self._doubtful if doubtful else self._ready).give(pk)

    def _pause(self) -> float:
        if not self._pending:
            return _REST_SECONDS
        return min(_LOOK_SECONDS, max(0.0, self._pending[0][0] - time.monotonic()))

    def _read(self, pk: int) -> None:
        began = self._known.tried[pk] = time.monotonic()
        try:
            read_one(pk, self._each, self._stopping, self._known.configs)
        except Stopped:
            return
        if time.monotonic() - began > LONG_SECONDS:
            self._known.slow.add(pk)
        else:
            self._known.slow.discard(pk)

    def _end(self) -> int:
        left_out = self._ready.end() + self._doubtful.end() + len(self._pending)
        wait = _GRACE_SECONDS + (0.0 if self._stopping.is_set() else self._each)
        until = time.monotonic() + wait
        for readers in (self._ready, self._doubtful):
            for name in readers.join(max(0.0, until - time.monotonic())):
                logger.error("%s does not come back from a workstation; it is left to itself", name)
        return left_out

    def _in_words(self, left_out: int) -> str:
        parts = []
        if left_out and not self._stopping.is_set():
            parts.append(f"no time for {left_out} workstation(s)")
        if self._still_busy:
            parts.append(f"{len(self._still_busy)} still being read from the last time")
        return ", ".join(parts)


def _to_be_read() -> QuerySet[Workstation]:
    """Return those that may be asked: they answer at their port, and no circuit breaker protects them."""
    asked = Q(next_probe_at=None) | Q(next_probe_at__lte=timezone.now())
    return Workstation.objects.filter(asked, polled=True).exclude(status=Reachability.OFFLINE)
