"""Very many operations for benchmarks and tests: ``python -m tests.benchmarks.seeding COUNT [LINES]``.

As an installation has them: most succeeded, some of each other end, with log lines, from many targets, kinds
and people, some of them in batches. The same arguments make the same rows, but for the time of day.
"""

import json
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import django

BATCH_OF = 20
_BATCHED = 0.1
_OWNER = "worker:seeded"
_KINDS = ("service.restart",) * 6 + ("service.start", "service.stop") * 2 + ("service.auto-recovery-on",)
_PEOPLE = tuple(f"operator-{number}" for number in range(20))
_ENDS = (
    *(("SUCCESS", "", ""),) * 90,
    *(("FAILED", "lease-lost", "Whoever carried it out has died or lost the database."),) * 3,
    *(("FAILED", "internal-error", "OSError while carrying it out."),) * 3,
    *(("TIMEOUT", "timeout", "It took longer than it may."),) * 2,
    *(("CANCELLED", "cancelled", "Cancelled by operator-1 while it was running."),) * 2,
)
_TEXTS = (
    "Starting; it has pid {}.",
    "Waiting for port {} to accept connections.",
    "It is up after {} looks.",
)


@dataclass(frozen=True, slots=True)
class History:
    """What finished operations to make."""

    count: int
    lines: int = 3
    """Of each one's log; 0: no log."""
    targets: int = 1000
    oldest_hours: float = 30 * 24
    newest_hours: float = 2.0
    """The newest ended so long ago; ids and ends grow together in between."""
    kinds: tuple[str, ...] = _KINDS
    """Drawn from; repeat one to have more of it."""
    ends: tuple[tuple[str, str, str], ...] = _ENDS
    """Status, error code, detail; drawn from."""
    seed: int = 5


def seed_history(history: History) -> range:
    """Insert finished operations with their logs and batches, and return their ids.

    Some 25 seconds for a million with three lines each on SQLite. Straight into the tables: no events.
    """
    from operations.models import Batch, LogPart, Operation
    from tests.benchmarks.bulk_insert import analyze, bulk_insert

    newest = Operation.objects.order_by("-id").values_list("id", flat=True).first()
    ids = range((newest or 0) + 1, (newest or 0) + 1 + history.count)
    tally: dict[str, dict[str, Any]] = {}
    bulk_insert(Operation, _finished(history, ids, tally))
    bulk_insert(Batch, tally.values())
    if history.lines:
        bulk_insert(LogPart, _logs(history, ids))
    analyze()
    return ids


def seed_waiting(count: int, kind: str, *, queue: str = "worker", hours: float = 24.0) -> range:
    """Insert ``count`` waiting operations of ``kind``, each on a target of its own; return their ids."""
    from django.utils import timezone

    from operations.models import Operation
    from tests.benchmarks.bulk_insert import bulk_insert, database_time

    newest = Operation.objects.order_by("-id").values_list("id", flat=True).first()
    ids = range((newest or 0) + 1, (newest or 0) + 1 + count)
    now = timezone.now()
    asked, latest = database_time(now), database_time(now + timedelta(hours=hours))
    common = {
        "kind": kind,
        "target_type": kind.partition(".")[0],
        "queue": queue,
        "requester": "seeding",
        "source": "command",
        "created_at": asked,
        "run_after": asked,
        "deadline_at": latest,
    }
    bulk_insert(Operation, ({**common, "id": pk, "target_key": f"waiting-{pk}"} for pk in ids))
    return ids


def _finished(history: History, ids: range, tally: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    from django.utils import timezone

    from tests.benchmarks.bulk_insert import database_time

    chosen = random.Random(history.seed)
    now = timezone.now()
    oldest = now - timedelta(hours=history.oldest_hours)
    step = timedelta(hours=history.oldest_hours - history.newest_hours) / max(1, history.count - 1)
    log_bytes = sum(len(text) for text in _texts(history.lines, 8000))
    batch = ""
    for index, pk in enumerate(ids):
        kind = chosen.choice(history.kinds)
        status, code, detail = chosen.choice(history.ends)
        finished = oldest + index * step
        took = timedelta(seconds=min(200.0, chosen.lognormvariate(0.5, 1.0)))
        created = finished - took - timedelta(seconds=chosen.random() / 10)
        if index % BATCH_OF == 0:
            batch = f"seeded-{pk}" if chosen.random() < _BATCHED else ""
        who = chosen.choice(_PEOPLE)
        if batch:
            _count(tally, batch, status, database_time(created), database_time(finished))
        asked = database_time(created)
        yield {
            "id": pk,
            "kind": kind,
            "target_type": kind.partition(".")[0],
            "target_key": f"target-{chosen.randrange(history.targets):04}",
            "queue": "worker",
            "status": status,
            "requester": "operator-0" if batch else who,
            "source": "page",
            "address": "192.0.2.7",
            "batch": batch,
            "created_at": asked,
            "run_after": asked,
            "started_at": database_time(finished - took),
            "finished_at": database_time(finished),
            "deadline_at": database_time(created + timedelta(seconds=300)),
            "lease_owner": _OWNER,
            "lease_token": 1,
            "progress_done": int(status == "SUCCESS"),
            "progress_total": 1,
            "log_lines": history.lines,
            "log_bytes": log_bytes,
            "error_code": code,
            "error_detail": detail,
        }


def _count(tally: dict[str, dict[str, Any]], batch: str, status: str, created: Any, finished: Any) -> None:
    counts = {"succeeded": 0, "failed": 0, "cancelled": 0}
    row = tally.setdefault(
        batch,
        {
            "id": batch,
            "kind": "service.restart",
            "requester": "operator-0",
            "source": "page",
            "created_at": created,
            "finished_at": finished,
            "total": 0,
            **counts,
        },
    )
    row["total"] += 1
    row["finished_at"] = finished
    row[{"SUCCESS": "succeeded", "CANCELLED": "cancelled"}.get(status, "failed")] += 1


def _logs(history: History, ids: range) -> Iterator[dict[str, Any]]:
    # What is in the lines matters to nobody; how many bytes they have does.
    at = datetime(2026, 1, 1).isoformat(timespec="milliseconds") + "Z"
    ready = [
        json.dumps([[at, "info", text] for text in _texts(history.lines, 8000 + number)])
        for number in range(97)
    ]
    for pk in ids:
        yield {"operation_id": pk, "first": 1, "lines": ready[pk % len(ready)]}


def _texts(lines: int, number: int) -> list[str]:
    return [_TEXTS[index % len(_TEXTS)].format(number) for index in range(lines)]


def main(arguments: list[str]) -> None:
    """Seed the database of this environment's settings."""
    django.setup()
    history = History(int(arguments[0]))
    if len(arguments) > 1:
        history = replace(history, lines=int(arguments[1]))
    ids = seed_history(history)
    print(f"{len(ids)} operations, {ids.start} to {ids.stop - 1}")


if __name__ == "__main__":
    main(sys.argv[1:])
