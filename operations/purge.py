"""Deletes finished operations in bounded batches, each in a short transaction of its own."""

from collections.abc import Callable
from datetime import datetime

from django.db import connection, transaction

from operations.models import Operation, OperationQuerySet
from operations.states import FINISHED_VALUES

BATCH_SIZE = 500
LARGEST_BATCH = 10_000


def purgeable(older_than: datetime) -> OperationQuerySet:
    """Return the operations that ended before ``older_than``, oldest end first. Never an active one."""
    return Operation.objects.finished().filter(finished_at__lt=older_than).order_by("finished_at", "id")


def purge(
    older_than: datetime,
    *,
    batch_size: int = BATCH_SIZE,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Delete what ended before ``older_than`` and return how many that were.

    ``progress`` is called with the count so far after each batch, and may raise to stop there. Rows
    that a retry is just pointing at are left for the next purge (PostgreSQL).
    """
    deleted = 0
    while count := _purge_batch(older_than, batch_size):
        deleted += count
        if progress is not None:
            progress(deleted)
    return deleted


def _purge_batch(older_than: datetime, batch_size: int) -> int:
    old = purgeable(older_than)
    # Asked before the transaction: on SQLite that takes the only write lock.
    if not old.exists():
        return 0
    with transaction.atomic():
        if connection.features.has_select_for_update_skip_locked:
            old = old.select_for_update(skip_locked=True)
        ids = list(old.values_list("id", flat=True)[:batch_size])
        if not ids:  # all of them are locked by a retry at this moment
            return 0
        # Django's own delete() loads every row to find what points at it; only retries do.
        Operation.objects.filter(retry_of__in=ids).update(retry_of=None)
        doomed = Operation.objects.filter(id__in=ids, status__in=FINISHED_VALUES)
        return int(doomed._raw_delete(connection.alias))
