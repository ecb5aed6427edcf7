"""What else can ride on a stream beside the event log: apps above add sources, one per connection.

A client asks for a source by naming it in the query (``?log=<service key>``). A source is made in the
admission's thread, where it may query the database and refuse, and then runs in the event loop.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from django.db.models import Model


class Stream(Protocol):
    """What an outlet needs of a subscription."""

    @property
    def is_lagging(self) -> bool:
        """Return whether the client has not taken what it was sent."""

    def offer(self, chunk: bytes) -> None:
        """Take a message that has to arrive."""


Heed = Callable[[Mapping[str, Any]], None]
"""Takes the data of an event; none of it where the log has begun anew, and anything may have happened."""


class Heard(Protocol):
    """What sources hear of an event."""

    @property
    def topic(self) -> str:
        """Return its topic."""

    @property
    def key(self) -> str:
        """Return what it is about."""

    @property
    def data(self) -> Mapping[str, Any]:
        """Return what it says."""


class Ears:
    """What the sources of one event loop listen for in the event log, whatever their streams carry."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self._heeding: dict[tuple[str, str], list[Heed]] = {}

    @contextmanager
    def listening(self, topic: str, key: str, heed: Heed) -> Iterator[None]:
        """Call ``heed`` in the loop for each event about ``key``, for the length of the block."""
        others = self._heeding.setdefault((topic, key), [])
        others.append(heed)
        try:
            yield
        finally:
            others.remove(heed)
            if not others:
                self._heeding.pop((topic, key), None)

    def hear(self, events: Iterable[Heard]) -> None:
        """Pass events on to whoever listens for them."""
        if not self._heeding:
            return
        for event in events:
            for heed in tuple(self._heeding.get((event.topic, event.key), ())):
                heed(event.data)

    def start_over(self) -> None:
        """Tell all that the log has begun anew."""
        for heeding in list(self._heeding.values()):
            for heed in tuple(heeding):
                heed({})


class Outlet:
    """Where a source puts its messages."""

    def __init__(
        self,
        subscription: Stream,
        ears: Ears | None = None,
        reaches: Callable[[str], bool] = lambda _service: True,
    ) -> None:
        """Lead to one stream, whose sources hear with ``ears``.

        ``reaches`` tells whether a service is within the scope of the stream's user at the moment.
        """
        self._subscription = subscription
        self.ears = ears or Ears()
        self.reaches = reaches

    @property
    def is_lagging(self) -> bool:
        """Return whether the client has not taken what it was sent: better wait than send more."""
        return self._subscription.is_lagging

    def send(self, chunk: bytes) -> None:
        """Send one encoded message. Does nothing once the stream has ended."""
        self._subscription.offer(chunk)


class Source(Protocol):
    """Something that one stream follows."""

    @property
    def name(self) -> str:
        """Return the name it was registered under."""

    @property
    def rights(self) -> frozenset[tuple[str, type[Model]]]:
        """Return the verbs and models that the user must go on being allowed."""

    async def run(self, outlet: Outlet) -> None:
        """Send messages until cancelled. Must not block the loop; an exception ends the stream."""


Opener = Callable[[Any, str, Mapping[str, str]], Source]
"""Takes the user, the value of the query parameter, and all parameters. Raises a Problem to refuse."""

_openers: dict[str, Opener] = {}


def register(name: str, opener: Opener) -> None:
    """Let clients ask for a source with the query parameter ``name``. Called in ``AppConfig.ready()``."""
    _openers[name] = opener


def open_wanted(user: Any, parameters: Mapping[str, str]) -> list[Source]:
    """Return the sources that ``parameters`` ask for. Queries and refusals are the openers'."""
    return [
        opener(user, parameters[name], parameters) for name, opener in _openers.items() if name in parameters
    ]
