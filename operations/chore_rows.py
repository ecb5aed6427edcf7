"""Chores as people see them: what each does, how it went, when it is done next, and what is wrong."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.utils import timezone

from medimgr.lib.units import iso
from operations import chores
from operations.chores import LOOK_SECONDS, Chore
from operations.models import ChoreRun

OVERDUE_SECONDS = 60.0
"""Nobody has taken a chore for so long after it was due: no operations worker is there to do so."""
MANY_FAILURES = 3


class Standing(StrEnum):
    """How it is with a chore."""

    RUNNING = "running"
    WAITING = "waiting"
    DUE = "due"
    FAILED = "failed"
    OVERDUE = "overdue"
    NEVER = "never"


def chore_rows(now: datetime | None = None) -> list[dict[str, Any]]:
    """Return every registered chore in the shape that page and API show. One query."""
    now = now or timezone.now()
    known = ChoreRun.objects.in_bulk(list(chores.all_chores()))
    return [_row(chore, known.get(name), now) for name, chore in sorted(chores.all_chores().items())]


def chore_row(chore: Chore, run: ChoreRun | None, now: datetime | None = None) -> dict[str, Any]:
    """Return one chore in that shape. No query."""
    return _row(chore, run, now or timezone.now())


def attention(rows: list[dict[str, Any]]) -> list[str]:
    """Return what people should do something about, in sentences. Pure."""
    told = [
        f"The chore {row['name']} has failed {row['failures']} times in a row: {row['error']}"
        for row in rows
        if row["failures"] >= MANY_FAILURES
    ]
    late = [row["name"] for row in rows if row["standing"] == Standing.OVERDUE]
    if late:
        which = f"The chore {late[0]} is" if len(late) == 1 else f"{len(late)} chores are"
        told.append(
            f"{which} overdue: nobody does them. Check that an operations worker (manage.py run_operations, "
            "or up) runs."
        )
    return told


def _row(chore: Chore, run: ChoreRun | None, now: datetime) -> dict[str, Any]:
    return {
        "name": chore.name,
        "does": chore.does,
        "every_seconds": chore.every_seconds,
        "standing": _standing(run, now).value,
        "owner": run.owner if run else "",
        "started_at": iso(run.started_at) if run else None,
        "finished_at": iso(run.finished_at) if run else None,
        "took_seconds": round(run.took_seconds, 3) if run and run.took_seconds is not None else None,
        "next_at": iso(run.next_at) if run else None,
        "result": run.result if run else "",
        "error": run.error if run else "",
        "failures": run.failures if run else 0,
    }


def _standing(run: ChoreRun | None, now: datetime) -> Standing:
    if run is None:
        return Standing.NEVER
    late = now - timedelta(seconds=OVERDUE_SECONDS)
    if run.owner:
        # Its holder has died over it, and nobody has taken it over.
        lost = run.lease_until is None or run.lease_until < late
        return Standing.OVERDUE if lost else Standing.RUNNING
    if run.next_at < late:
        return Standing.OVERDUE
    if run.error:
        return Standing.FAILED
    return Standing.DUE if run.next_at <= now + timedelta(seconds=LOOK_SECONDS) else Standing.WAITING
