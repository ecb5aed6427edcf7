"""How operations went: counts, failures and durations, for all of them and for each kind."""

from collections import defaultdict
from dataclasses import dataclass, field
from math import ceil
from statistics import median
from typing import Any

from django.db.models import Count

from medimgr.lib.access import Person, scope_of
from medimgr.lib.units import iso
from operations import words
from operations.models import Operation, OperationQuerySet
from operations.states import ACTIVE_VALUES, FINISHED_VALUES, Status

SAMPLE = 10_000
"""Rates and durations are about so many operations, those that ended last."""
LOOKED_THROUGH = 100_000
"""Who is limited to some labels gets figures of those among so many operations, the newest."""


@dataclass(slots=True)
class Record:
    """What is known of the operations of one kind in the sample, or of all of them."""

    ends: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    seconds: list[float] = field(default_factory=list)
    """How long each ran that was begun."""

    @property
    def finished(self) -> int:
        """Return how many ended, one way or the other."""
        return sum(self.ends.values())

    def rate(self, *statuses: Status) -> float | None:
        """Return how many of those that ended did so as ``statuses``, 0 to 1; None where none ended."""
        if not self.finished:
            return None
        return round(sum(self.ends[status.value] for status in statuses) / self.finished, 4)

    def durations(self) -> dict[str, float | None]:
        """Return seconds; None where none ran. p95: nineteen in twenty took no longer."""
        if not self.seconds:
            return dict.fromkeys(("average", "median", "p95", "longest"))
        ordered = sorted(self.seconds)
        figures = {
            "average": sum(ordered) / len(ordered),
            "median": median(ordered),
            "p95": ordered[ceil(len(ordered) * 0.95) - 1],
            "longest": ordered[-1],
        }
        return {name: round(seconds, 3) for name, seconds in figures.items()}


def statistics(user: Person | None = None) -> dict[str, Any]:
    """Return what ``GET /api/operations/stats`` shows of what ``user`` may look at; four queries.

    Counts are of all that is kept, read from indexes alone; the rest is of the SAMPLE that ended last. For
    who is limited to some labels all of it is of the newest LOOKED_THROUGH, since no index serves labels.
    """
    rows = _seen_by(user).order_by()
    statuses = dict.fromkeys((status.value for status in Status), 0)
    statuses |= dict(rows.values_list("status").annotate(Count("id")))
    kinds = dict(rows.order_by("kind").values_list("kind").annotate(Count("id")))
    oldest = rows.order_by("created_at").values_list("created_at", flat=True).first()
    everything, by_kind = _records(rows)
    return {
        "total": sum(statuses.values()),
        "active": sum(statuses[status] for status in ACTIVE_VALUES),
        "by_status": statuses,
        "by_kind": kinds,
        "sampled": everything.finished,
        "sample_limit": SAMPLE,
        "success_rate": everything.rate(Status.SUCCESS),
        "failure_rate": everything.rate(Status.FAILED, Status.TIMEOUT),
        "duration_seconds": everything.durations(),
        "kinds": [
            {
                "kind": kind,
                "label": words.label(kind),
                "finished": record.finished,
                **{status.lower(): record.ends[status] for status in FINISHED_VALUES},
                "failure_rate": record.rate(Status.FAILED, Status.TIMEOUT),
                "duration_seconds": record.durations(),
            }
            for kind, record in sorted(by_kind.items())
        ],
        "oldest": iso(oldest),
    }


def _seen_by(user: Person | None) -> OperationQuerySet:
    """Return what ``user`` may look at; None is a command. One query where that is not all."""
    rows = Operation.objects.all()
    if user is None or not scope_of(user).hides_something:
        return rows
    newest = Operation.objects.order_by("-id").values_list("pk", flat=True)
    oldest = newest[LOOKED_THROUGH : LOOKED_THROUGH + 1].first()
    return rows.visible_to(user).filter(pk__gt=oldest or 0)


def _records(rows: OperationQuerySet) -> tuple[Record, dict[str, Record]]:
    """Return the record of all and of each kind. One query."""
    ended = rows.filter(finished_at__isnull=False).order_by("-finished_at")
    everything, by_kind = Record(), defaultdict[str, Record](Record)
    for kind, status, started, finished in ended.values_list("kind", "status", "started_at", "finished_at")[
        :SAMPLE
    ]:
        for record in (everything, by_kind[kind]):
            record.ends[status] += 1
            if started is not None and finished is not None:
                # The wall clock may have been set back in between.
                record.seconds.append(max(0.0, (finished - started).total_seconds()))
    return everything, by_kind
