"""Stops all services of a node in order: whoever is needed stops after those that need it."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping

from monitoring.states import State
from monitoring.supervisor.entry import Entry
from monitoring.supervisor.happenings import Event, Shutdown

_ENDED = frozenset({State.STOPPED, State.EXITED, State.FATAL})


class Closing:
    """Begins with :meth:`begin`. Tell it of every :meth:`changed` service: it never looks at all of them."""

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
        self._left: dict[str, Entry] = {}
        self._others = 0
        """How many of those that are left are not medimgr's own."""
        self._look: deque[Entry] = deque()
        """Those that may be asked to stop now, or have stopped."""
        self._asked: set[str] = set()
        self.begun = False
        self.forced = False

    def begin(self) -> None:
        """Start to stop everything."""
        self.begun = True
        ordered = sorted(self._entries.values(), key=lambda e: (-e.spec.priority, e.key))
        self._left = {entry.key: entry for entry in ordered}
        self._others = sum(not entry.spec.builtin for entry in ordered)
        self._look.extend(ordered)

    def force(self) -> None:
        """Kill everything now, in no order."""
        self.begun = self.forced = True
        for entry in list(self._entries.values()):
            if not entry.gone:
                self._feed(entry, Shutdown(force=True))

    def changed(self, entry: Entry) -> None:
        """Look at ``entry`` at the next :meth:`go_on`."""
        if self.begun:
            self._look.append(entry)

    def go_on(self) -> bool:
        """Stop what may be stopped now; return whether nothing lives any more."""
        if not self.begun:
            return False
        while self._look:
            entry = self._look.popleft()
            if self._entries.get(entry.key) is not entry or (entry.gone and entry.state in _ENDED):
                self._over(entry)
            else:
                self._ask(entry)
        return not self._left

    def _over(self, entry: Entry) -> None:
        if self._left.pop(entry.key, None) is None:
            return
        self._look.extend(self._left[need.service] for need in entry.spec.needs if need.service in self._left)
        if not entry.spec.builtin:
            self._others -= 1
            if not self._others:
                self._look.extend(self._left.values())

    def _ask(self, entry: Entry) -> None:
        alive = entry.situation.alive
        if alive and entry.key in self._asked:
            return
        if alive and not self.forced:
            # The page and the operations worker go last: operators see the others stop.
            if entry.spec.builtin and self._others:
                return
            if any(not dependent.gone for dependent in self._dependents(entry.key)):
                return
        if entry.state not in _ENDED:
            self._asked.add(entry.key)
            self._feed(entry, Shutdown(self.forced))
