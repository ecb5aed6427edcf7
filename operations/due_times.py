"""When the next operation of a queue is due that was asked for a later time."""

from collections.abc import Iterable
from datetime import datetime

from django.utils import timezone

from operations.models import Operation, OperationQuerySet
from operations.states import Status

_KNOWN = 64
_OVERLAP = 100
"""Ids come about in another order than commits, but not in one that is this different."""


class DueTimes:
    """Remembers the next few times, so that a look costs little however many operations wait."""

    def __init__(self, queue: str) -> None:
        """Know nothing yet of ``queue``."""
        self._queue = queue
        self._times: list[datetime] = []
        self._complete = False
        """Whether these are all there are, and not just the next few."""
        self._seen = 0

    def seconds(self) -> float | None:
        """Return in how many seconds the next one is due, None where none is known.

        A query over what is new since the last call; over all that waits where the known times are used up.
        It may name a time at which nothing is due any more, since its operation was cancelled.
        """
        now = timezone.now()
        while self._times and self._times[0] <= now:
            del self._times[0]
        later = Operation.objects.filter(queue=self._queue, status=Status.PENDING, run_after__gt=now)
        newest = Operation.objects.order_by("-id").values_list("id", flat=True).first() or 0
        if self._times or self._complete:
            if newest > self._seen:
                new = later.filter(id__gt=max(0, self._seen - _OVERLAP))
                self._keep({*self._times, *_next_times(new)}, complete=self._complete)
        else:
            self._keep(_next_times(later), complete=True)
        self._seen = newest
        return (self._times[0] - now).total_seconds() if self._times else None

    def _keep(self, times: Iterable[datetime], *, complete: bool) -> None:
        self._times = sorted(times)
        self._complete = complete and len(self._times) < _KNOWN
        del self._times[_KNOWN:]


def _next_times(rows: OperationQuerySet) -> list[datetime]:
    return list(rows.order_by("run_after").values_list("run_after", flat=True)[:_KNOWN])
