"""Hears from services themselves: that they are ready, that they are well, how many requests they served."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from monitoring.states import ReadyKind
from monitoring.supervisor.child_environment import UnknownAccount, account
from monitoring.supervisor.entry import Entry
from monitoring.supervisor.happenings import Event, Ready
from monitoring.supervisor.log_watch import LogWatch
from monitoring.supervisor.notify import Notice, NotifyHub, notify_environment, uses_notify
from monitoring.supervisor.spec import Readiness, ServiceSpec

log = logging.getLogger(__name__)
_NOTHING: Mapping[str, str] = MappingProxyType({})


class Hearing:
    """On the loop's thread."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        entries: Mapping[str, Entry],
        directory: Path,
        feed: Callable[[Entry, Event], None],
        *,
        served: Callable[[str, int], None],
        well: Callable[[str], None],
    ) -> None:
        """``directory`` is for the sockets of this node's services.

        ``served`` is told how many requests a service says it has served, ``well`` that it is well.
        """
        self._entries = entries
        self._feed = feed
        self._served = served
        self._well = well
        self._hub = NotifyHub(loop, directory, self._said)
        self._logs = LogWatch(loop)

    def listen(self, spec: ServiceSpec) -> Mapping[str, str]:
        """Listen to a service whose process is about to start, or lives; return the variables for it.

        Nothing, and at no cost, where it says nothing about itself. Raises CannotListen, an OSError.
        """
        if not uses_notify(spec):
            return _NOTHING
        try:
            who = account(spec.user)
        except UnknownAccount:
            who = None  # the start itself tells
        return notify_environment(spec, str(self._hub.listen(spec.key, who.uid if who else None)))

    def await_ready(self, entry: Entry, run_id: str, readiness: Readiness) -> None:
        """Watch the run's log for the line that tells that it is ready; a message is heard in any case."""
        if readiness.kind is not ReadyKind.LOG:
            return

        def found(line: str) -> None:
            self._feed(entry, Ready(run_id, line))

        offset = entry.run.log_offset if entry.run is not None else 0
        try:
            self._logs.watch(entry.key, entry.spec.log_path, offset, readiness.pattern, found)
        except ValueError as error:  # the declaration's rules let none such through
            log.warning("%s: %s", entry.key, error)

    def await_no_more(self, key: str) -> None:
        """Watch its log no longer."""
        self._logs.stop(key)

    def forget(self, key: str) -> None:
        """The service is gone for good."""
        self._logs.stop(key)
        self._hub.forget(key)

    def close(self) -> None:
        """Hear nobody any more; the sockets stay for those that live on."""
        self._hub.close()

    def _said(self, key: str, notice: Notice) -> None:
        entry = self._entries.get(key)
        if entry is None:
            return
        if notice.watchdog:
            self._well(key)
        if notice.requests is not None:
            self._served(key, notice.requests)
        if notice.ready and entry.situation.run_id and entry.spec.readiness.kind is ReadyKind.NOTIFY:
            self._feed(entry, Ready(entry.situation.run_id, notice.status or ""))
