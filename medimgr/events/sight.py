"""Which services there are for whom: the labels of all of them, kept true by the events about them.

Measurements come for a whole node at once, so a stream that is limited gets a part of them. Whether a
service is in somebody's scope is looked up here, in the event loop, without a query: what the database says
was read when such a stream was admitted and is read again at each heartbeat, and every event about a service
tells what has changed since.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from medimgr.events.audience import Audience
from medimgr.events.log import last_event_id
from medimgr.events.topics import TICK_TOPIC
from medimgr.lib.scope import Labels, Scope


class Heard(Protocol):
    """What is needed of an event."""

    @property
    def id(self) -> int:
        """Return its id."""

    @property
    def topic(self) -> str:
        """Return its topic."""

    @property
    def key(self) -> str:
        """Return what it is about."""

    @property
    def data(self) -> Mapping[str, Any]:
        """Return what it says."""

    @property
    def audience(self) -> Audience | None:
        """Return whose it is; None for everybody's."""


@dataclass(frozen=True, slots=True)
class Look:
    """The labels of all services, by key. All that happened up to event ``position`` is in it."""

    position: int
    labels: Mapping[str, Labels]


_read_labels: Callable[[], Mapping[str, Labels]] | None = None


def labels_are_read_by(reader: Callable[[], Mapping[str, Labels]]) -> None:
    """Have ``reader`` return the labels of each measured service. Called in ``AppConfig.ready()``."""
    global _read_labels
    _read_labels = reader


def look() -> Look:
    """Read the labels of all services. Two queries."""
    position = last_event_id()  # first: what is read after it can only be newer
    return Look(position, _read_labels() if _read_labels is not None else {})


class Sight:
    """The labels of all services, in one event loop."""

    def __init__(self) -> None:
        """Begin without any: nobody who is limited sees a service before there was a look."""
        self._position = 0
        self._labels: Mapping[str, Labels] = {}
        self._since: dict[str, tuple[int, Labels]] = {}
        """What events have said that may be newer than the look, with the last one's id."""

    def take(self, seen: Look) -> None:
        """Take a look; one that is older than the last is passed over."""
        if seen.position < self._position:
            return
        self._position, self._labels = seen.position, seen.labels
        self._since = {key: told for key, told in self._since.items() if told[0] > seen.position}

    def hear(self, events: Iterable[Heard]) -> None:
        """Take events of any topic, in their order."""
        for event in events:
            if event.topic == TICK_TOPIC and event.audience is not None:
                gone = bool(event.data.get("deleted"))
                self._since[event.key] = (event.id, frozenset() if gone else event.audience.labels)

    def start_over(self) -> None:
        """The log is another one: ids mean nothing any more. What is known holds until the next look."""
        self._labels = {**self._labels, **{key: told[1] for key, told in self._since.items()}}
        self._since.clear()
        self._position = 0

    def labels_of(self, key: str) -> Labels:
        """Return the labels of a service; none for one that there is not."""
        told = self._since.get(key)
        return told[1] if told is not None else self._labels.get(key, frozenset())

    def reaches(self, scope: Scope, key: str) -> bool:
        """Return whether somebody with ``scope`` may act on the service ``key``."""
        return scope.is_everything or scope.reaches(self.labels_of(key))

    def part_of(self, scope: Scope, measured: Mapping[str, list[float]]) -> dict[str, list[float]]:
        """Return what of measurements by service somebody with ``scope`` may know."""
        if not scope.hides_something:
            return dict(measured)
        return {key: values for key, values in measured.items() if scope.shows(self.labels_of(key))}
