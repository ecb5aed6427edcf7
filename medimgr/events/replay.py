"""What a client that comes back has missed."""

from collections.abc import Iterable
from dataclasses import dataclass

from medimgr.events import frames
from medimgr.events.log import last_event_id
from medimgr.events.models import Event

MAX_REPLAY = 1000
MAX_REPLAY_BYTES = 1024 * 1024
"""A client that missed more than either is better served with a snapshot."""


@dataclass(frozen=True, slots=True)
class Replay:
    """The start of a stream: the event it goes on from, the events up to ``position``, or a reset."""

    since: int
    position: int
    events: tuple[tuple[int, bytes], ...] = ()
    reset: bool = False


class Replays:
    """Replays read at one moment, for as many streams as begin with it."""

    def __init__(self) -> None:
        """Look how far the log goes. Two queries."""
        self._newest = last_event_id()
        self._oldest = Event.objects.order_by("id").values_list("id", flat=True).first()
        self._read: dict[tuple[frozenset[str], int], Replay] = {}

    def read(self, topics: frozenset[str], since: int | None) -> Replay:
        """Return what was published on ``topics`` after event ``since``; None means "from now on".

        A reset where that cannot be told completely: the log no longer reaches back, ``since`` is ahead of
        it (another database, a backup), or more than a thousand events or a MiB was missed. At most one
        query, none where it has been read before or nothing can be missing.
        """
        if since is None or since == self._newest:
            return Replay(self._newest, self._newest)
        if not self._reaches_back(since):
            return Replay(self._newest, self._newest, reset=True)
        if (topics, since) not in self._read:
            self._read[topics, since] = self._missed(topics, since)
        return self._read[topics, since]

    def _reaches_back(self, since: int) -> bool:
        if since > self._newest:
            return False
        return self._oldest is None or since + 1 >= self._oldest

    def _missed(self, topics: Iterable[str], since: int) -> Replay:
        missed = Event.objects.after(since).on(topics).filter(id__lte=self._newest)
        rows = missed.values_list("id", "topic", "key", "data")[: MAX_REPLAY + 1]
        events = tuple((row[0], frames.event(*row)) for row in rows)
        if len(events) > MAX_REPLAY or sum(len(chunk) for _, chunk in events) > MAX_REPLAY_BYTES:
            return Replay(self._newest, self._newest, reset=True)
        return Replay(since, self._newest, events)


def read_replay(topics: Iterable[str], since: int | None) -> Replay:
    """Return one replay, read now: see :meth:`Replays.read`. Three queries at most."""
    return Replays().read(frozenset(topics), since)
