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


def read_replay(topics: Iterable[str], since: int | None) -> Replay:
    """Return what was published on ``topics`` after event ``since``; None means "from now on".

    A reset where that cannot be told completely: the log no longer reaches back, ``since`` is ahead of
    it (another database, a backup), or more than a thousand events or a MiB was missed. Three queries.
    """
    newest = last_event_id()
    if since is None:
        return Replay(newest, newest)
    if not _reaches_back(since, newest):
        return Replay(newest, newest, reset=True)
    missed = Event.objects.after(since).on(topics).filter(id__lte=newest)
    rows = missed.values_list("id", "topic", "key", "data")[: MAX_REPLAY + 1]
    events = tuple((row[0], frames.event(*row)) for row in rows)
    if len(events) > MAX_REPLAY or sum(len(chunk) for _, chunk in events) > MAX_REPLAY_BYTES:
        return Replay(newest, newest, reset=True)
    return Replay(since, newest, events)


def _reaches_back(since: int, newest: int) -> bool:
    if since > newest:
        return False
    oldest = Event.objects.order_by("id").values_list("id", flat=True).first()
    return oldest is None or since + 1 >= oldest
