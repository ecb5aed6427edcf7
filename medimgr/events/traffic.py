"""How much the streams were sent, minute by minute, whichever web worker sent it."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Sum

from medimgr.events.models import Traffic

HOUR = timedelta(hours=1)


def record(events: int, size: int, at: datetime) -> None:
    """Add events and bytes to the minute of ``at``. Two statements in one transaction."""
    minute = at.replace(second=0, microsecond=0)
    with transaction.atomic():
        Traffic.objects.bulk_create([Traffic(minute=minute)], ignore_conflicts=True)
        Traffic.objects.filter(minute=minute).update(events=F("events") + events, bytes=F("bytes") + size)


def events_within_hour(now: datetime) -> int:
    """Return how many events were sent in the hour before ``now``, to the minute. One query."""
    rows = Traffic.objects.filter(minute__gt=now - HOUR, minute__lte=now)
    return rows.aggregate(total=Sum("events"))["total"] or 0


def prune(older_than: datetime) -> int:
    """Delete the minutes before ``older_than`` and return how many. One statement."""
    return Traffic.objects.filter(minute__lt=older_than).delete()[0]


class Meter:
    """Turns a total that only grows into what was added since the last reading."""

    def __init__(self) -> None:
        """Begin at nothing sent."""
        self._events = 0
        self._bytes = 0

    def added(self, events: int, size: int) -> tuple[int, int]:
        """Return what the totals have grown by. A total that seems to shrink has grown by nothing.

        That happens for an instant, when a stream ends while the streams are being summed up.
        """
        grown = max(0, events - self._events), max(0, size - self._bytes)
        self._events += grown[0]
        self._bytes += grown[1]
        return grown

    def take_back(self, events: int, size: int) -> None:
        """Undo a reading that could not be written down: it counts with the next."""
        self._events -= events
        self._bytes -= size
