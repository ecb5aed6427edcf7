"""How operations ended, counted for good: the rows are purged, these counts are not."""

from collections.abc import Iterable

from medimgr.tallies.counting import Added, Count, Durations, together
from operations.exceptions import LeaseLost
from operations.models import Operation

ENDED = Count("medimgr_operations_ended", "Operations that ended.", ("kind", "status"))
LOST = Count(
    "medimgr_operation_leases_lost", "Operations that failed since nobody held them any more.", ("queue",)
)
TOOK = Durations(
    "medimgr_operation_duration_seconds", "From the beginning of an operation to its end.", ("kind",)
)
WAITED = Durations(
    "medimgr_operation_wait_seconds",
    "From the moment at which an operation might have begun to the one at which it did.",
    ("queue",),
)


def of_ended(rows: Iterable[Operation]) -> Added:
    """Return what the ends of ``rows`` add, for the transaction that ends them. Pure.

    One that never began has no duration, and did not wait for anybody who took it up.
    """
    added: list[Added] = []
    for row in rows:
        added.append(ENDED.grown(row.kind, row.status))
        if row.error_code == LeaseLost.code:
            added.append(LOST.grown(row.queue))
        if row.started_at is not None and row.finished_at is not None:
            added.append(TOOK.seen((row.finished_at - row.started_at).total_seconds(), row.kind))
            due = max(row.created_at, row.run_after)
            added.append(WAITED.seen((row.started_at - due).total_seconds(), row.queue))
    return together(added)
