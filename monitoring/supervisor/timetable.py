"""Says when the scheduled services of a node are due: one timer for all, right when the clock is set, too.

A timer runs by the monotonic clock and a schedule by the one on the wall, which may be set, or stand still
while the machine sleeps. So the wall is looked at every few seconds at least. What was missed meanwhile is
due once, however often it would have been. Where the clock goes back by less than three hours, nothing is
due a second time, as with cron(8); where by more, it was wrong before, and the schedule begins anew.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from monitoring.supervisor.schedule import next_time

log = logging.getLogger(__name__)
LOOK_SECONDS = 5.0
_SET_BACK_SECONDS = 1.0
"""Less is the clock being steered, not set."""
_SET_RIGHT = timedelta(hours=3)


@dataclass(slots=True)
class _Line:
    expression: str
    zone: str
    next: datetime | None
    last: datetime | None = None
    """When it was due last, by the clock on the wall as it was then."""


class Timetable:
    """``due`` is called with the key of a service each time its schedule comes true. On the loop's thread."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        due: Callable[[str], None],
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        """``now`` is the clock on the wall, in seconds since 1970."""
        self._loop = loop
        self._due = due
        self._now = now
        self._lines: dict[str, _Line] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._offset = now() - loop.time()
        """Wall clock less monotonic clock: it changes only where the former is set."""

    def set(self, key: str, expression: str, zone: str) -> None:
        """Let ``key`` be due by a schedule from now on; one that it has already is left as it is.

        Raises ValueError, in words, where expression or zone makes no sense; a schedule that ``key`` had
        before is then gone.
        """
        line = self._lines.get(key)
        if line is not None and (line.expression, line.zone) == (expression, zone):
            return
        self.forget(key)
        self._lines[key] = _Line(expression, zone, next_time(expression, zone, self._wall()))
        self._arm()

    def forget(self, key: str) -> None:
        """Take ``key`` off; one that has no schedule is passed over."""
        if self._lines.pop(key, None) is not None:
            self._arm()

    def next_of(self, key: str) -> datetime | None:
        """Return when ``key`` is due next, in UTC; None where it never is."""
        line = self._lines.get(key)
        return line.next if line is not None else None

    def close(self) -> None:
        """Forget all of them."""
        self._lines.clear()
        self._arm()

    def _wall(self) -> datetime:
        return datetime.fromtimestamp(self._now(), UTC)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        soonest = min((line.next for line in self._lines.values() if line.next is not None), default=None)
        if soonest is not None:
            left = soonest.timestamp() - self._now()
            self._timer = self._loop.call_later(min(max(left, 0.0), LOOK_SECONDS), self._look)

    def _look(self) -> None:
        self._timer = None
        self._notice_a_clock_set_back()
        now = self._wall()
        due = sorted(
            (line.next, key)
            for key, line in self._lines.items()
            if line.next is not None and line.next <= now
        )
        for _, key in due:
            line = self._lines[key]
            line.last, line.next = now, next_time(line.expression, line.zone, now)
        self._arm()
        for _, key in due:
            if key in self._lines:  # the one before may have taken it off
                self._due(key)

    def _notice_a_clock_set_back(self) -> None:
        offset = self._now() - self._loop.time()
        back, self._offset = self._offset - offset, offset
        if back < _SET_BACK_SECONDS:
            return
        log.warning("The clock was set back by %.0f s; the schedules follow it.", back)
        now = self._wall()
        for line in self._lines.values():
            again = line.last is None or line.last - now > _SET_RIGHT
            after = now if again or line.last is None else max(now, line.last)
            line.next = next_time(line.expression, line.zone, after)
