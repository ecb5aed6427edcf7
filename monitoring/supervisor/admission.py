"""Which waiting service may start now: what it depends on, its priority, and a bound on starts at once."""

import heapq
import os
from collections.abc import Callable, Iterable, Mapping

from monitoring import declaration
from monitoring.states import Condition, Health, HealthKind, Reason, State
from monitoring.supervisor.entry import Entry
from monitoring.supervisor.spec import Needs

# A start keeps its place until the service is ready, but not for longer than this, lest a few slow
# starters hold up all others.
PLACE_SECONDS = 5.0
# Without a health check only the burst of loading the program counts. It is over once the process sleeps
# for the first time, which is looked at so often, or after so long at most.
SETTLING_SECONDS = 0.002
PLACE_SECONDS_UNPROBED = 0.05

_NOT_COMING = {
    State.STOPPED: "which is stopped; start it too",
    State.EXITED: "which has ended",
    State.FATAL: "which cannot be started",
    State.BACKOFF: "which failed and is tried again",
}


def starts_at_once() -> int:
    """Return how many services may be starting at the same time on this machine."""
    return max(4, 2 * (os.cpu_count() or 1))


def impossible(specs: Mapping[str, Iterable[Needs]], names: Mapping[str, str]) -> dict[str, str]:
    """Return the services that can never start, each with the reason in words. Pure.

    Every service on a dependency cycle, and every one that needs a service which this node has not.
    """
    edges = {key: [need.service for need in needs] for key, needs in specs.items()}
    found: dict[str, str] = {}
    for key, needed in edges.items():
        for other in needed:
            if other not in edges:
                found[key] = (
                    f"It depends on {other}, which is not a service of this node. "
                    "Declare both on one node, or remove the dependency."
                )
    while circle := declaration.cycle(edges):
        words = " needs ".join(names.get(key, key) for key in circle)
        for key in circle[:-1]:
            found[key] = f"Its dependencies go in a circle: {words}. Remove one of them."
            del edges[key]
        edges = {key: [other for other in needed if other in edges] for key, needed in edges.items()}
    return found


class Admission:
    """Keeps who waits for whom. Nothing here looks at all services when one of them changes."""

    def __init__(self, entries: Mapping[str, Entry], held_back: Callable[[Entry], str]) -> None:
        """``held_back`` says in words why what others need is not to be counted on, empty where it is."""
        self._entries = entries
        self._held_back = held_back
        self._dependents: dict[str, set[str]] = {}
        self._ready: list[tuple[int, str]] = []
        self._places: dict[str, str] = {}
        """Service key → run id of those that are starting."""
        self.limit = starts_at_once()
        self.impossible: dict[str, str] = {}
        self.closed = False

    def allow(self, limit: int) -> None:
        """Let so many be starting at the same time; 0: as many as the machine's cores suggest."""
        self.limit = limit or starts_at_once()

    def declarations_changed(self) -> None:
        """Take the dependencies anew."""
        self._dependents = {}
        for entry in self._entries.values():
            for need in entry.spec.needs:
                self._dependents.setdefault(need.service, set()).add(entry.key)
        specs = {key: entry.spec.needs for key, entry in self._entries.items()}
        self.impossible = impossible(specs, {key: e.spec.name for key, e in self._entries.items()})

    def dependents(self, key: str) -> list[Entry]:
        """Return the services that need ``key`` directly."""
        return [self._entries[d] for d in self._dependents.get(key, ()) if d in self._entries]

    def unmet(self, entry: Entry) -> str:
        """Return what ``entry`` waits for, in words; empty where all it needs is there."""
        words = []
        for need in entry.spec.needs:
            other = self._entries.get(need.service)
            if other is None:
                words.append(need.service)
                continue
            held = self._held_back(other)
            if held:
                words.append(f"{other.spec.name}, {held}")
            elif not _meets(other, need.condition):
                why = _why_not(other, need.condition)
                words.append(f"{other.spec.name}, {why}" if why else other.spec.name)
        return f"waiting for {' and '.join(words)}" if words else ""

    def offer(self, entry: Entry) -> None:
        """Line ``entry`` up for a start: it waits and has all it needs."""
        heapq.heappush(self._ready, (entry.spec.priority, entry.key))

    def next(self) -> Entry | None:
        """Return the service to start now, None where there is none or no place."""
        if self.closed:
            return None
        while self._ready and len(self._places) < self.limit:
            _, key = heapq.heappop(self._ready)
            entry = self._entries.get(key)
            if entry is not None and startable(entry) and not self.unmet(entry):
                return entry
        return None

    def take_place(self, key: str, run_id: str) -> None:
        """Count ``key`` as starting."""
        self._places[key] = run_id

    def leave_place(self, key: str, run_id: str = "") -> None:
        """Count ``key`` as starting no longer; with a run id, only where it is that run's place."""
        if not run_id or self._places.get(key) == run_id:
            self._places.pop(key, None)


def startable(entry: Entry) -> bool:
    """Return whether ``entry`` waits and nothing of an earlier run is in the way."""
    return entry.state is State.WAITING and not entry.situation.run_id


def _why_not(other: Entry, condition: Condition) -> str:
    if condition is Condition.COMPLETED:
        if other.state is State.RUNNING:
            return "which has not completed yet"
        if other.state is State.EXITED:
            last = other.situation.reason is not Reason.SCHEDULE
            return "which has ended without success" if last else "which waits for its schedule"
    return _NOT_COMING.get(other.state, "")


def _meets(other: Entry, condition: Condition) -> bool:
    if condition is Condition.COMPLETED:
        return other.state is State.EXITED and other.situation.reason is Reason.COMPLETED
    if other.state is not State.RUNNING:
        return False
    # A service without a probe is as healthy as it can ever be said to be.
    probed = other.spec.health.kind is not HealthKind.NONE
    return condition is Condition.STARTED or not probed or other.situation.health is Health.HEALTHY
