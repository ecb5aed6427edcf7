"""All web workers at one moment, with what they and those before them have counted."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Subquery, Sum
from django.utils import timezone

from medimgr.events.ledger import Tree, together
from medimgr.events.models import DepartedFigures, StreamWorker

SILENT_AFTER = timedelta(seconds=30)
"""A worker that has not renewed its lease for so long is none that serves."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One web worker."""

    name: str
    started_at: datetime
    seen_at: datetime
    alive: bool
    streams: int
    pages: int
    now: Mapping[str, Any]
    """What was the case when it last renewed its lease: ``queued_bytes``, ``lag_seconds`` and others."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What all web workers say."""

    workers: list[Standing]
    counted: Tree
    """Since medimgr was installed. No number in it ever falls, but ``bytes_saved``."""
    recent: Tree = field(default_factory=dict)
    """Within the last five minutes, of the workers that are alive."""

    @property
    def streams(self) -> int:
        """Return how many streams are open."""
        return sum(worker.streams for worker in self.workers)

    @property
    def pages(self) -> int:
        """Return how many pages they feed."""
        return sum(worker.pages for worker in self.workers)

    @classmethod
    def take(cls) -> "Survey":
        """Look at the workers. One query; a second one where there is none."""
        departed = DepartedFigures.objects.order_by("id").values("figures")[:1]
        # In one statement: a worker that retires between two would be in both sums or in neither.
        found = list(
            StreamWorker.objects.annotate(
                open_streams=Count("connections"),
                open_pages=Sum("connections__pages"),
                departed=Subquery(departed),
            ).order_by("node", "pid")
        )
        gone = found[0].departed if found else next(iter(departed.values_list("figures", flat=True)), None)
        now = timezone.now()
        workers = [_standing(row, now) for row in found]
        return cls(
            workers=workers,
            counted=together([gone or {}, *(row.figures.get("counted", {}) for row in found)]),
            recent=together(worker.now.get("recent", {}) for worker in workers if worker.alive),
        )


def _standing(row: Any, now: datetime) -> Standing:
    return Standing(
        name=str(row),
        started_at=row.started_at,
        seen_at=row.seen_at,
        alive=now - row.seen_at < SILENT_AFTER,
        streams=row.open_streams,
        pages=row.open_pages or 0,
        now=row.figures.get("now", {}),
    )
