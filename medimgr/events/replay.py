"""What a client that comes back has missed."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from medimgr.events import frames
from medimgr.events.log import last_event_id
from medimgr.events.models import Event

MAX_REPLAY = 1000
MAX_REPLAY_BYTES = 1024 * 1024
"""A client that missed more than either is better served with a snapshot."""


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


def read_replay(topics: Iterable[str], since: int | None) -> Replay:
    """Return what :func:`read_missed` does, as a stream gets it. Three queries."""
    missed = read_missed(topics, since)
    events = tuple((row[0], chunk) for row, chunk in zip(missed.rows, missed.chunks, strict=True))
    return Replay(missed.since, missed.position, events, missed.reset)


def read_missed(topics: Iterable[str], since: int | None) -> Missed:
    """Return what was published on ``topics`` after event ``since``; None means "from now on".

    A reset where that cannot be told completely: the log no longer reaches back, ``since`` is ahead of
    it (another database, a backup), or more than a thousand events or a MiB was missed. Three queries.
    """
    newest = last_event_id()
    if since is None:
        return Missed(newest, newest)
    if since > newest:
        return Missed(newest, newest, reset=True)
    missed = Event.objects.after(since).on(topics).filter(id__lte=newest)
    rows = tuple(missed.values_list("id", "topic", "key", "data")[: MAX_REPLAY + 1])
    chunks = tuple(frames.event(*row) for row in rows)
    if len(rows) > MAX_REPLAY or sum(map(len, chunks)) > MAX_REPLAY_BYTES:
        return Missed(newest, newest, reset=True)
    # Asked last: what is pruned while the rows are read would be missing from them without a word.
    if not _reaches_back(since):
        return Missed(newest, newest, reset=True)
    return Missed(since, newest, rows, chunks)


def _reaches_back(since: int) -> bool:
    oldest = Event.objects.order_by("id").values_list("id", flat=True).first()
    return oldest is None or since + 1 >= oldest
