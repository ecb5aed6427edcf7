"""Keeps the timetable equal to what is declared and wanted, and tells services that they are due."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime

from monitoring.states import Intent
from monitoring.supervisor.entry import Entry
from monitoring.supervisor.happenings import Due, Event
from monitoring.supervisor.timetable import Timetable

log = logging.getLogger(__name__)


class Scheduling:
    """A service with a schedule is on the timetable for as long as it is wanted up."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        entries: Mapping[str, Entry],
        feed: Callable[[Entry, Event], None],
        changed: Callable[[Entry], None],
    ) -> None:
        """``changed`` is called when the time of a service's next run is another one."""
        self._entries = entries
        self._feed = feed
        self._changed = changed
        self._timetable = Timetable(loop, self._due)

    def keep(self, entry: Entry) -> None:
        """Put ``entry`` on the timetable or take it off, as its declaration and situation say now."""
        following = self._next(entry)
        if following != entry.next_run_at:
            entry.next_run_at = following
            self._changed(entry)

    def forget(self, key: str) -> None:
        """The service is gone for good."""
        self._timetable.forget(key)

    def close(self) -> None:
        """Nothing is due any more."""
        self._timetable.close()

    def _next(self, entry: Entry) -> datetime | None:
        spec = entry.spec
        if not spec.schedule or entry.deleted or entry.situation.intent is Intent.DOWN:
            self._timetable.forget(spec.key)
            return None
        try:
            self._timetable.set(spec.key, spec.schedule, spec.schedule_time_zone)
        except ValueError as error:  # the declaration's rules let none such through
            log.warning("%s: it is never started by its schedule: %s", spec.key, error)
        return self._timetable.next_of(spec.key)

    def _due(self, key: str) -> None:
        entry = self._entries.get(key)
        if entry is not None:
            self._feed(entry, Due())
            self.keep(entry)
