"""Stops all services of a node in order: whoever is needed stops after those that need it."""

from collections.abc import Callable, Iterable, Mapping

from monitoring.states import State
from monitoring.supervisor.entry import Entry
from monitoring.supervisor.happenings import Event, Shutdown

_ENDED = frozenset({State.STOPPED, State.EXITED, State.FATAL})


class Closing:
    """Begins with :meth:`begin`; ask :meth:`go_on` after every change, it returns True once all is gone."""

    def __init__(
        self,
        entries: Mapping[str, Entry],
        feed: Callable[[Entry, Event], None],
        dependents: Callable[[str], Iterable[Entry]],
    ) -> None:
        """``dependents`` are the services that need one directly."""
        self._entries = entries
        self._feed = feed
        self._dependents = dependents
        self._asked: set[str] = set()
        self.begun = False
        self.forced = False

    def begin(self) -> None:
        """Start to stop everything."""
        self.begun = True

    def force(self) -> None:
        """Kill everything now, in no order."""
        self.begun = self.forced = True
        for entry in list(self._entries.values()):
            if not entry.gone:
                self._feed(entry, Shutdown(force=True))

    def go_on(self) -> bool:
        """Stop what may be stopped now; return whether nothing lives any more."""
        if not self.begun:
            return False
        left = [e for e in self._entries.values() if not (e.gone and e.state in _ENDED)]
        if not left:
            return True
        # The page and the operations worker go last: operators see the others stop.
        own_turn = all(entry.spec.builtin for entry in left)
        for entry in sorted(left, key=lambda e: (-e.spec.priority, e.key)):
            if entry.key in self._asked and entry.situation.alive:
                continue
            if entry.situation.alive and not self.forced:
                if entry.spec.builtin and not own_turn:
                    continue
                if any(not dependent.gone for dependent in self._dependents(entry.key)):
                    continue
            if entry.state not in _ENDED:
                self._asked.add(entry.key)
                self._feed(entry, Shutdown(self.forced))
        return False
