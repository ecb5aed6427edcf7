"""How much the streams were sent, minute by minute, whichever web worker sent it."""

from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction
from django.db.models import F, Sum

from medimgr.events.models import Traffic

HOUR = timedelta(hours=1)


class Sent(NamedTuple):
    """What streams were sent."""

    events: int = 0
    bytes: int = 0
    """As they went out, compressed where a stream is."""
    saved: int = 0
    """Bytes that compression has taken off; below zero where it has put more on."""

    def __add__(self, other: object) -> "Sent":
        """Return both together."""
        if not isinstance(other, Sent):
            return NotImplemented
        return Sent(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def __sub__(self, other: "Sent") -> "Sent":
        """Return what is more than in ``other``."""
        return Sent(*(mine - theirs for mine, theirs in zip(self, other, strict=True)))


def record(sent: Sent, at: datetime) -> None:
    """Add what was sent to the minute of ``at``. Two statements in one transaction."""
    minute = at.replace(second=0, microsecond=0)
    with transaction.atomic():
        Traffic.objects.bulk_create([Traffic(minute=minute)], ignore_conflicts=True)
        Traffic.objects.filter(minute=minute).update(
            events=F("events") + sent.events, bytes=F("bytes") + sent.bytes, saved=F("saved") + sent.saved
        )


def within_hour(now: datetime) -> Sent:
    """Return what was sent in the hour before ``now``, to the minute. One query."""
    rows = Traffic.objects.filter(minute__gt=now - HOUR, minute__lte=now)
    sums = rows.aggregate(events=Sum("events"), bytes=Sum("bytes"), saved=Sum("saved"))
    return Sent(**{name: total or 0 for name, total in sums.items()})


def prune(older_than: datetime) -> int:
    """Delete the minutes before ``older_than`` and return how many. One statement."""
    return Traffic.objects.filter(minute__lt=older_than).delete()[0]


class Meter:
    """Turns totals that only grow into what was added since the last reading."""

    def __init__(self) -> None:
        """Begin at nothing sent."""
        self._read = Sent()

    def added(self, total: Sent) -> Sent:
        """Return what the totals have grown by. Where they seem to shrink they have grown by nothing.

        That happens for an instant, when a stream ends while the streams are being summed up.
        """
        grown = total - self._read
        if grown.events < 0 or grown.bytes < 0:
            return Sent()
        self._read = total
        return grown

    def take_back(self, added: Sent) -> None:
        """Undo a reading that could not be written down: it counts with the next."""
        self._read -= added
