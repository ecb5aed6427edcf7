"""What a client that comes back has missed."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from medimgr.events import frames
from medimgr.events.audience import GONE, Hearing, audience_of
from medimgr.events.log import last_event_id
from medimgr.events.models import Event
from medimgr.events.topics import is_limited
from medimgr.lib.scope import EVERYTHING, Scope

MAX_REPLAY = 1000
MAX_REPLAY_BYTES = 512 * 1024
"""A client that missed more than either is better served with a snapshot.

One that does not read keeps this, what is held for it (1 MiB) and what the kernel takes (384 KiB): 2 MiB.
"""


EventRow = tuple[int, str, str, dict[str, Any]]
"""Id, topic, key and data of one event."""


@dataclass(frozen=True, slots=True)
class Missed:
    """The events after ``since`` up to ``position``, or a reset where that cannot be told completely."""

    since: int
    position: int
    rows: tuple[EventRow, ...] = ()
    chunks: tuple[bytes, ...] = ()
    """The rows as a stream gets them."""
    reset: bool = False


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
        """Look how far the log goes. One query."""
        self._newest = last_event_id()
        self._read: dict[tuple[frozenset[str], int, Scope], Replay] = {}

    def read(self, topics: frozenset[str], since: int | None, scope: Scope = EVERYTHING) -> Replay:
        """Return what :func:`read_missed` does, as a stream gets it. Two queries.

        None where it has been read before, or nothing can be missing.
        """
        if since is None or since == self._newest:
            return Replay(self._newest, self._newest)
        if (topics, since, scope) not in self._read:
            missed = _missed(topics, since, self._newest, scope)
            events = tuple((row[0], chunk) for row, chunk in zip(missed.rows, missed.chunks, strict=True))
            self._read[topics, since, scope] = Replay(missed.since, missed.position, events, missed.reset)
        return self._read[topics, since, scope]


def read_missed(topics: Iterable[str], since: int | None, scope: Scope = EVERYTHING) -> Missed:
    """Return what was published on ``topics`` after event ``since``; None means "from now on".

    Somebody with ``scope`` is told of it what he would have heard.

    A reset where that cannot be told completely: the log no longer reaches back, ``since`` is ahead of
    it (another database, a backup), or more than a thousand events or half a MiB was missed. Three queries.
    """
    newest = last_event_id()
    if since is None:
        return Missed(newest, newest)
    return _missed(topics, since, newest, scope)


def _missed(topics: Iterable[str], since: int, newest: int, scope: Scope) -> Missed:
    if since > newest:
        return Missed(newest, newest, reset=True)
    missed = Event.objects.after(since).on(topics).filter(id__lte=newest)
    if scope.labels is not None and scope.hides_something:
        everybodys = [topic for topic in topics if not is_limited(topic)]
        missed = missed.heard_with(scope.labels, everybodys)
    found = missed.values_list("id", "topic", "key", "data", "labels")[: MAX_REPLAY + 1]
    rows = tuple(row for full in found if (row := _told(*full, scope)) is not None)
    chunks = tuple(frames.event(*row) for row in rows)
    if len(rows) > MAX_REPLAY or sum(map(len, chunks)) > MAX_REPLAY_BYTES:
        return Missed(newest, newest, reset=True)
    # Asked last: what is pruned while the rows are read would be missing from them without a word.
    if not _reaches_back(since):
        return Missed(newest, newest, reset=True)
    return Missed(since, newest, rows, chunks)


def _told(
    event_id: int, topic: str, key: str, data: dict[str, Any], labels: str, scope: Scope
) -> EventRow | None:
    hearing = audience_of(labels).hearing(scope) if is_limited(topic) else Hearing.ALL
    if hearing is Hearing.NOTHING:
        return None
    return event_id, topic, key, data if hearing is Hearing.ALL else GONE


def _reaches_back(since: int) -> bool:
    oldest = Event.objects.order_by("id").values_list("id", flat=True).first()
    return oldest is None or since + 1 >= oldest
