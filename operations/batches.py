"""The row of a batch: what has become of its operations, counted where they end.

Nothing here imports what asks for operations or ends them; those call this.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from medimgr.events.log import Fact
from medimgr.lib.access import Person, scope_of
from medimgr.tallies.counting import add
from operations import tallies
from operations.models import Batch, Operation, OperationQuerySet
from operations.states import Status

_COUNTED_AS = {
    Status.SUCCESS: "succeeded",
    Status.FAILED: "failed",
    Status.TIMEOUT: "failed",
    Status.CANCELLED: "cancelled",
}


_FORGOTTEN_AT_A_TIME = 500
ACCEPTANCE_SECONDS = 3600.0
"""A batch that has no operations and has not ended after so long never will: its request was cut off."""


def progress(batch: Mapping[str, Any]) -> str:
    """Return how far a batch in its public shape is: ``13/14, 1 failed``. Pure.

    The pages say the same with ``batchWords`` in ``static/medimgr/batches.js``.
    """
    if not batch["total"]:
        return "nothing to do"
    refused = batch["done"] - batch["succeeded"] - batch["failed"] - batch["cancelled"]
    counts = (("failed", batch["failed"]), ("cancelled", batch["cancelled"]), ("refused", refused))
    return ", ".join([f"{batch['done']}/{batch['total']}", *(f"{n} {word}" for word, n in counts if n)])


def public(batch: Batch) -> dict[str, Any]:
    """Return the shape that the API shows, with its progress in words and the page of it. No query."""
    shape = batch.public()
    return shape | {"progress": progress(shape), "url": f"/operations/?batch={batch.pk}"}


def public_to(user: Person, batch: Batch) -> dict[str, Any]:
    """Return that shape as ``user`` may know it: what was refused names targets, some of which he may not.

    Who asked named them himself. Queries the scope, once per user object.
    """
    shape = public(batch)
    asked_by_others = batch.requester != user.get_username()
    return shape | {"refused": []} if asked_by_others and scope_of(user).hides_something else shape


def fact(batch: Batch) -> Fact:
    """Return the event that says how far ``batch`` is; what was refused is in it as a number. No query."""
    return Fact(
        "batch",
        batch.pk,
        {name: v for name, v in public(batch).items() if name != "refused"},
        batch.scope_labels(),
    )


def operations_of(batch: Batch) -> OperationQuerySet:
    """Return the operations of ``batch`` in the order of their ids."""
    # The second condition is the index's own, which the databases would not see in the first.
    return Operation.objects.filter(batch=batch.pk).exclude(batch="").order_by("id")


def count_ends(rows: Sequence[Operation], repeated: Sequence[Operation] = ()) -> list[Fact]:
    """Count operations that have just ended, for good and in their batches; return the events to publish.

    Call it in the transaction that ends them, after the last UPDATE of an operation and before
    ``publish_all``: all take their locks in this order. ``repeated`` are those that ask for themselves again
    inside of their batch, where their end is still to come. One statement; two queries for each batch among
    ``rows``, a third for one that is now complete.
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
    if rows or repeated:
        add(tallies.of_ended([*rows, *repeated]))
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


def forget_old(older_than: datetime) -> int:
    """Delete the batches made before ``older_than`` that have ended and whose operations are all gone.

    Also those whose request was cut off before it had asked for anything. In short transactions; three
    queries for every five hundred batches that are old enough. Returns how many were deleted.
    """
    deleted = 0
    after: tuple[datetime, str] | None = None
    while True:
        old = Batch.objects.filter(created_at__lt=older_than).order_by("created_at", "id")
        if after is not None:
            old = old.filter(Q(created_at__gt=after[0]) | Q(created_at=after[0], id__gt=after[1]))
        some = list(old.only("id", "created_at", "finished_at")[:_FORGOTTEN_AT_A_TIME])
        if not some:
            return deleted
        after = (some[-1].created_at, some[-1].pk)
        abandoned_before = timezone.now() - timedelta(seconds=ACCEPTANCE_SECONDS)
        ended = [row.pk for row in some if row.finished_at is not None or row.created_at < abandoned_before]
        # In one statement with its condition: a repetition may be asking for something just now.
        left = Operation.objects.filter(batch=OuterRef("pk")).exclude(batch="")
        if ended:  # of nothing, Django returns None
            empty = Batch.objects.filter(~Exists(left), pk__in=ended).order_by()
            deleted += empty._raw_delete(connection.alias)
