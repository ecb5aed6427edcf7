"""The row of a batch: what has become of its operations, counted where they end.

Nothing here imports what asks for operations or ends them; those call this.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence

from django.db.models import F
from django.utils import timezone

from medimgr.events.log import Fact
from operations.models import Batch, Operation
from operations.states import Status

_COUNTED_AS = {
    Status.SUCCESS: "succeeded",
    Status.FAILED: "failed",
    Status.TIMEOUT: "failed",
    Status.CANCELLED: "cancelled",
}


def fact(batch: Batch) -> Fact:
    """Return the event that says how far ``batch`` is. No query."""
    return Fact("batch", batch.pk, batch.public())


def count_ends(rows: Sequence[Operation]) -> list[Fact]:
    """Count operations that have just ended in their batches; return the events to publish along.

    Call it in the transaction that ends them, after the last UPDATE of an operation and before
    ``publish_all``: all take their locks in this order. Leave out what asks for itself again inside of its
    batch, whose end is still to come. Two queries for each batch among ``rows``, a third for one that is
    now complete, none where no row has a batch.
    """
    ends: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        if row.batch:
            ends[row.batch][_COUNTED_AS[Status(row.status)]] += 1
    facts = []
    for pk in sorted(ends):  # always in the same order, or two that count would wait for each other
        changed = Batch.objects.filter(pk=pk).update(**{name: F(name) + n for name, n in ends[pk].items()})
        if changed:
            facts.append(fact(close_if_complete(Batch.objects.get(pk=pk))))
    return facts


def close_if_complete(batch: Batch) -> Batch:
    """Say when ``batch`` ended, if nothing of it is outstanding; return it.

    Call it in the transaction that changed the counts, which holds the row. One query at the end of the
    batch, none before.
    """
    if batch.finished_at is None and batch.done >= batch.total:
        batch.finished_at = timezone.now()
        batch.save(update_fields=["finished_at"])
    return batch
