"""Deletes finished operations, the oldest end first, in short transactions that leave room for others.

How many go at a time follows from how long the last ones took (:mod:`operations.purge_pace`), and memory
does not grow with how many there are.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Q
from django.db.models.expressions import RawSQL

from operations import batches
from operations.models import LogPart, Operation, OperationQuerySet
from operations.purge_pace import LARGEST_BATCH, MOST_AT_A_TIME, Pace, unhurried
from operations.purge_spared import Newest
from operations.states import FINISHED

__all__ = ["LARGEST_BATCH", "MOST_AT_A_TIME", "Purge", "purge", "purgeable"]

BYTES_AT_A_TIME = 1_000_000
"""So much of logs goes at a time at most; the log of one operation is never divided."""


@dataclass(frozen=True, slots=True)
class _Row:
    pk: int
    finished_at: datetime
    target: tuple[str, str]
    log_bytes: int


def purgeable(older_than: datetime) -> OperationQuerySet:
    """Return the operations that ended before ``older_than``, oldest end first. Never an active one.

    A constraint has only what ended say when it did. Asked for its status besides, SQLite would sort the
    whole table for every batch.
    """
    return Operation.objects.filter(finished_at__lt=older_than).order_by("finished_at", "id")


class Purge:
    """One walk through what ended before ``older_than``, which goes step by step."""

    def __init__(
        self,
        older_than: datetime,
        *,
        keep_per_target: int = 0,
        batch_size: int = MOST_AT_A_TIME,
        begun: Any = None,
    ) -> None:
        """Prepare; nothing is read or deleted yet.

        The newest ``keep_per_target`` ended operations of each target stay, however old. ``begun``: what
        :meth:`state` returned of one that did not come to its end.
        """
        self._older_than = older_than
        self._newest = Newest(keep_per_target)
        self._pace = Pace(batch_size)
        self.deleted = 0
        self.spared = 0
        """What has been passed over: it is among the newest of its target, or somebody asks again for it."""
        self._after: tuple[datetime, int] | None = None
        if begun is not None:
            self.deleted, self.spared = int(begun["deleted"]), int(begun["spared"])
            if begun["after"] is not None:
                at, pk = begun["after"]
                self._after = datetime.fromisoformat(at), int(pk)

    @property
    def looked_at(self) -> int:
        """Return how many operations the walk has passed, deleted or not."""
        return self.deleted + self.spared

    @property
    def pause_seconds(self) -> float:
        """Return how long to leave the database to others before the next step."""
        return self._pace.pause_seconds

    def state(self) -> dict[str, Any]:
        """Return how far it has come, as JSON, for another one to go on from."""
        after = None if self._after is None else [self._after[0].isoformat(), self._after[1]]
        return {"deleted": self.deleted, "spared": self.spared, "after": after}

    def ahead(self) -> int:
        """Return how many operations the walk has still to pass. One query of an index alone."""
        return self._rows().order_by().count()

    def step(self) -> bool:
        """Delete some and return True; False where the walk has come to its end.

        A query for what is next, one for the newest of targets not met before, and a transaction of four.
        """
        rows = self._next()
        if not rows:
            return False
        kept = self._newest.among([(row.pk, row.target) for row in rows])
        going = [row.pk for row in rows if row.pk not in kept]
        gone = 0
        if going:
            with self._pace.timed(len(going)):
                gone = _delete(going)
            self._pace.make_room()
        self.deleted += gone
        self.spared += len(rows) - gone
        self._after = rows[-1].finished_at, rows[-1].pk
        return True

    def count(self) -> int:
        """Return how many would be deleted. One query where none is to stay; else see :meth:`going`."""
        return sum(1 for _ in self.going()) if self._newest.count else self.ahead()

    def going(self) -> Iterator[int]:
        """Yield the ids of what would be deleted, in that order, and delete nothing.

        A query for every few thousand operations, and one for the newest of targets not met before.
        """
        self._pace.at_a_time = MOST_AT_A_TIME
        while rows := self._next():
            kept = self._newest.among([(row.pk, row.target) for row in rows])
            yield from (row.pk for row in rows if row.pk not in kept)
            self._after = rows[-1].finished_at, rows[-1].pk

    def _rows(self) -> OperationQuerySet:
        rows = purgeable(self._older_than)
        if self._after is not None:
            at, pk = self._after
            rows = rows.filter(Q(finished_at__gt=at) | Q(pk__gt=pk), finished_at__gte=at)
        return rows

    def _next(self) -> list[_Row]:
        fields = ("pk", "finished_at", "target_type", "target_key", "log_bytes")
        rows: list[_Row] = []
        size = 0
        for pk, at, kind, key, log_bytes in self._rows().values_list(*fields)[: self._pace.at_a_time]:
            size += log_bytes
            if rows and size > BYTES_AT_A_TIME:
                break
            rows.append(_Row(pk, at, (kind, key), log_bytes))
        return rows


def purge(
    older_than: datetime,
    *,
    keep_per_target: int = 0,
    batch_size: int = MOST_AT_A_TIME,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Delete what ended before ``older_than``, with its log, and return how many operations that were.

    ``progress`` is called with the count so far after each batch, and may raise to stop there. Batches (of
    one request over many targets) that are left without operations go, too. Rows that a retry is just
    pointing at are left for the next purge (PostgreSQL). Without pauses; :mod:`operations.purge_operation`
    makes them.
    """
    walk = Purge(older_than, keep_per_target=keep_per_target, batch_size=batch_size)
    with unhurried():
        while walk.step():
            if progress is not None:
                progress(walk.deleted)
        batches.forget_old(older_than)
    return walk.deleted


def _delete(ids: list[int]) -> int:
    """Delete those of the operations that have ended, and what belongs to them; return how many they were."""
    with transaction.atomic():
        ended = _ended(ids)
        if not ended:
            return 0
        # Django's own delete() loads every row to find what belongs to it.
        these = _list(ended)
        LogPart.objects.filter(operation__in=these).order_by()._raw_delete(connection.alias)
        # Read first: an UPDATE by what it changes is a walk through the table to SQLite, once it has counted
        # that hardly any operation repeats another.
        retries = list(Operation.objects.filter(retry_of__in=these).order_by().values_list("pk", flat=True))
        if retries:
            Operation.objects.filter(pk__in=retries).update(retry_of=None)
        return int(Operation.objects.filter(pk__in=these).order_by()._raw_delete(connection.alias))


def _ended(ids: list[int]) -> list[int]:
    """Return those of ``ids`` that have ended, locked; one that somebody asks again for is left out."""
    rows = Operation.objects.filter(pk__in=_list(ids)).order_by()
    if connection.features.has_select_for_update_skip_locked:
        rows = rows.select_for_update(skip_locked=True)
    # Looked at here: where the database is asked for the status, it may walk through all that have it.
    return sorted(pk for pk, status in rows.values_list("pk", "status") if status in FINISHED)


def _list(ids: list[int]) -> RawSQL:
    """Return the ids as one parameter: thousands of them cost Django more than the database."""
    if connection.vendor == "postgresql":
        return RawSQL("SELECT unnest(%s::bigint[])", [ids])
    return RawSQL("SELECT value FROM json_each(%s)", [json.dumps(ids)])
