"""Keeps the supervised services equal to the declared ones: added, changed, renamed, deleted."""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from monitoring.states import Reason, State
from monitoring.supervisor.admission import Admission
from monitoring.supervisor.entry import Entry
from monitoring.supervisor.happenings import Boot, Deleted, Event, SpecChanged
from monitoring.supervisor.journal import spec_digest
from monitoring.supervisor.policy import FLAPPING_STREAK
from monitoring.supervisor.records import Declared
from monitoring.supervisor.situation import Situation


class Feed(Protocol):
    """Gives an event to a service; ``then`` is called once the machine has taken it."""

    def __call__(self, entry: Entry, event: Event, then: Callable[[], None] | None = None) -> None:
        """Do so."""


class Declaring:
    """Adds to and removes from ``entries``; nothing else does."""

    def __init__(
        self,
        entries: dict[str, Entry],
        feed: Feed,
        admission: Admission,
        deleted: Callable[[str], None],
        buried: Callable[[str], None],
    ) -> None:
        """``deleted`` is called when a declaration is gone, ``buried`` when its last process is, too."""
        self._entries = entries
        self._feed = feed
        self._admission = admission
        self._deleted = deleted
        self._buried = buried
        self.closed = False
        """New services are no longer started."""

    def begin(self, declared: tuple[Declared, ...]) -> None:
        """Take the services that are declared when the supervisor starts."""
        for one in declared:
            self._entries[one.spec.key] = entry_of(one)

    def change(self, declared: tuple[Declared, ...], gone: frozenset[int]) -> None:
        """Take new and changed declarations, and the primary keys of those that are gone."""
        renewed = {one.service: one.spec.key for one in declared}
        for entry in list(self._entries.values()):
            if entry.service is None or entry.deleted:
                continue
            if entry.service in gone or renewed.get(entry.service, entry.key) != entry.key:
                self._delete(entry)
        changed: list[Entry] = []
        for one in declared:
            known = self._entries.get(one.spec.key)
            if known is None:
                self._add(one)
            elif known.service != one.service or known.deleted:
                known.successor = one
                self._delete(known)
            elif known.spec != one.spec:
                known.spec = one.spec
                changed.append(known)
        self._admission.declarations_changed()
        for entry in changed:
            differs = entry.process is None or spec_digest(entry.spec) != entry.started_digest
            self._feed(entry, SpecChanged(differs))

    def bury_if_gone(self, entry: Entry) -> bool:
        """Forget a deleted service once nothing of it lives; another one of its key takes its place."""
        if not (entry.deleted and entry.gone):
            return False
        if self._entries.get(entry.key) is entry:
            del self._entries[entry.key]
            self._buried(entry.key)
            if entry.successor is not None:
                self._add(entry.successor)
            self._admission.declarations_changed()
        return True

    def _add(self, declared: Declared) -> None:
        entry = self._entries[declared.spec.key] = entry_of(declared)
        if entry.situation.alive:
            # Renamed, or moved here from another node: the process that this tells of is not ours.
            entry.situation = replace(entry.situation, state=State.STOPPED)
        if not self.closed:
            self._feed(entry, Boot(fresh=True))

    def _delete(self, entry: Entry) -> None:
        entry.deleted = True
        self._deleted(entry.key)
        self._feed(entry, Deleted())


def entry_of(declared: Declared) -> Entry:
    """Return a service as the database last knew it."""
    status = declared.status
    state = status.state if status.state is not State.UNKNOWN else State.STOPPED
    if state is State.EXITED and status.reason is Reason.SCHEDULE and not declared.spec.schedule:
        state = State.STOPPED  # it waited for a time that it lost while nobody looked: like any other now
    return Entry(
        service=declared.service,
        spec=declared.spec,
        since=status.since,
        next_run_at=status.next_run_at,
        situation=Situation(
            state=state,
            intent=status.intent,
            # Every take-over is news, the second in a row too.
            reason=status.reason if status.reason is not Reason.ADOPTED else Reason.NONE,
            detail=status.detail,
            cause=status.reason,
            restarts=status.restarts,
            auto_recovery=status.auto_recovery,
            flapping=status.flapping,
            streak=FLAPPING_STREAK if status.flapping else 0,
            held=not status.auto_recovery and status.state in (State.EXITED, State.FATAL),
        ),
    )
