"""The figures of all web workers in the database: each one's in its row, those of departed ones in one sum.

So the sums of all never fall, whoever comes and goes. What a worker counted after it last wrote is lost
with it where it is killed: five seconds at most.
"""

import time
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Count, Min

from medimgr.events import figures
from medimgr.events.figures import Figures
from medimgr.events.models import DepartedFigures, Event, StreamWorker
from medimgr.events.subscription import End

Tree = dict[str, Any]
"""Numbers by name, and tables of numbers by name."""

RECENT_SECONDS = 300.0
"""What "recent" means: figures since the start say little about today."""
_STEP_SECONDS = 30.0


def together(trees: Iterable[Mapping[str, Any]]) -> Tree:
    """Return the sums of the numbers that stand at the same place."""
    result: Tree = {}
    for tree in trees:
        for name, value in tree.items():
            if isinstance(value, Mapping):
                result[name] = together([result.get(name, {}), value])
            else:
                result[name] = result.get(name, 0) + value
    return result


def beyond(tree: Mapping[str, Any], other: Mapping[str, Any]) -> Tree:
    """Return ``tree`` less ``other``, without what is nothing then: empty where they are equal."""
    result: Tree = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            rest: Any = beyond(value, other.get(name, {}))
        else:
            rest = value - other.get(name, 0)
        if rest:
            result[name] = rest
    return result


class Ledger:
    """What of this process's figures stands in its row, and what in the sum of the departed.

    Its row can go while the process lives, as when it was suspended for long; what the row held is in
    the sum then, and the next row begins without it.
    """

    def __init__(self, figures: Figures) -> None:
        """Begin with nothing written. No query."""
        self.figures = figures
        self.row: int | None = None
        """The primary key of the row that was last written."""
        self._written: Tree = {}
        self._departed: Tree = {}
        self._past: deque[tuple[float, Tree]] = deque(maxlen=int(RECENT_SECONDS / _STEP_SECONDS))
        self._past.append((time.monotonic(), {}))

    def due(self) -> Tree:
        """Return what has to stand in the row: all that is not in the sum of the departed."""
        page = beyond(self.figures.counted(), self._departed)
        # Streams whose end was counted with the row that went, and that this process has yet to end.
        page["ended"] = {reason: count for reason, count in page.get("ended", {}).items() if count > 0}
        return page if page["ended"] else {name: value for name, value in page.items() if name != "ended"}

    def wrote(self, row: int, page: Tree) -> None:
        """Note that ``page`` stands in this row."""
        self.row, self._written = row, page

    def row_went(self) -> None:
        """Note that the row is gone, with what was written into it."""
        self._departed = together([self._departed, _closed(self._written, 0, End.WORKER_LOST.value)])
        self.row, self._written = None, {}

    def recent(self) -> Tree:
        """Return what was counted within the last five minutes, to half a minute."""
        now, counted = time.monotonic(), self.figures.counted()
        if now - self._past[-1][0] >= _STEP_SECONDS:
            self._past.append((now, counted))
        return beyond(counted, self._past[0][1])


of_this_process = Ledger(figures.of_this_process)


def behind(reader: Figures) -> Tree:
    """Return how far the reader of a process is behind the log, in events and seconds. One query.

    ``silent_seconds`` is how long ago it last looked; empty before it has for the first time.
    """
    if reader.looked_at is None:
        return {}
    silent = time.monotonic() - reader.looked_at
    unread = Event.objects.filter(id__gt=reader.position).aggregate(count=Count("id"), oldest=Min("at"))
    oldest = unread["oldest"]
    return {
        "lag_events": unread["count"],
        "lag_seconds": round(max(0.0, time.time() - oldest.timestamp()), 3) if oldest else 0.0,
        "silent_seconds": round(max(0.0, silent), 3),
        "position": reader.position,
    }


def depart(workers: Iterable[StreamWorker], open_streams: Mapping[int, int], reason: str) -> None:
    """Add what workers counted to the sum, with the streams that end with them. In their transaction.

    ``open_streams`` is how many rows of streams each one has left, by primary key. A stream that began
    and ended is counted as both, also where its worker died before it wrote of either. Two queries.
    """
    pages = [
        _closed(worker.figures.get("counted", {}), open_streams.get(worker.pk, 0), reason)
        for worker in workers
    ]
    add_to_departed(together(pages))


def add_to_departed(counted: Tree) -> None:
    """Add to the sum of the departed. The caller holds the lock of the connections. Two queries."""
    if not counted:
        return
    row = DepartedFigures.objects.order_by("id").first() or DepartedFigures()
    row.figures = together([row.figures, counted])
    row.save()


def _closed(counted: Tree, left: int, reason: str) -> Tree:
    ended = sum(counted.get("ended", {}).values())
    lost = max(left, counted.get("opened", 0) - ended)
    if lost:
        counted = together([counted, {"ended": {reason: lost}}])
        counted["opened"] = ended + lost
    return counted
