"""One request over many targets: a batch, each of its targets on its own merits.

The row of the batch comes first, then its operations a chunk at a time. Where nothing is in the way of a
chunk, its operations are one INSERT; what has something in its way is asked for by itself, as a single
request would be, so that it may supersede or is refused.
"""

import contextlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import Error, IntegrityError, connection, transaction
from django.db.models import Model
from django.utils import timezone

from medimgr.events.log import publish_all
from medimgr.lib.problems import Problem
from operations import intake, registry
from operations.batches import close_if_complete, fact, operations_of
from operations.exceptions import KeyReused, OperationGone
from operations.lifecycle import fact as operation_fact
from operations.models import Batch, Operation
from operations.requester import Requester

CUT_OFF = "not-asked"
"""The code of targets that were not come to, since the request was cut off: asked anew at a repetition."""
_AT_A_TIME = 100
# Any number that nobody else in the database takes a transaction's advisory lock by: "batc".
_TURN = 0x62617463


@dataclass(frozen=True, slots=True)
class Wanted:
    """One target of a batch."""

    key: str
    target: Model
    retry_of: Operation | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A target on which the action was not accepted, and why."""

    target: str
    """With its type: ``service:backend``."""
    code: str
    detail: str

    def public(self) -> dict[str, str]:
        """Return the shape that API and stream show. No query."""
        return {"target": self.target, "code": self.code, "detail": self.detail}


@dataclass(slots=True)
class Asked:
    """What a request over many targets came to."""

    batch: Batch
    operations: list[Operation] = field(default_factory=list)
    """In the order of their ids."""

    @property
    def refused(self) -> list[Refusal]:
        """Return what was refused. No query."""
        return [Refusal(**one) for one in self.batch.refused]


def request_batch(
    kind: str,
    wanted: Sequence[Wanted],
    *,
    requester: Requester,
    parameters: Mapping[str, Any] | None = None,
    reason: str = "",
    idempotency_key: str = "",
    refused: Sequence[Refusal] = (),
) -> Asked:
    """Ask for ``kind`` on each target and return the batch with what was accepted and what was refused.

    ``refused`` are targets that the caller knows to be impossible; they count as part of the batch. The
    same ``idempotency_key`` of the same requester returns the same batch, and goes on with it where it was
    cut off. What is wrong with the request as a whole raises UnknownKind, NotPermitted, BadParameters,
    ReasonWanted or KeyReused, and leaves no trace. A few queries for every hundred targets, and
    a few for each that has something in its way. Call it outside of a transaction, see ``lifecycle``.
    """
    declared = registry.get(kind)
    targets = {one.key: one for one in wanted}
    request: dict[str, Any] = {"requester": requester, "parameters": parameters, "reason": reason}
    # Also where no target is left: who may not ask is told so, not that there was nothing to do.
    pattern = intake.prepare(kind, declared.model(), "", queue="", idempotency_key=idempotency_key, **request)
    batch, again = _batch(
        Batch(
            id=batch_id(requester, idempotency_key),
            kind=kind,
            requester=pattern.requester,
            source=pattern.source,
            address=pattern.address,
            reason=pattern.reason,
            total=len(targets) + len(refused),
        ),
    )
    settled = {one["target"] for one in batch.refused if one["code"] != CUT_OFF}
    if again:
        made = list(operations_of(batch))
        _check_same(batch, made, pattern, {*targets}, refused)
        if sum(row.finished_at is not None for row in made) < batch.done - len(batch.refused):
            return Asked(batch, made)  # some are purged: which were not asked for cannot be told any more
        settled |= {row.target for row in made}
    prepared = [
        intake.prepare(
            kind,
            one.target,
            one.key,
            queue=declared.queue(one.target),
            idempotency_key=_key_in(batch, one.key) if idempotency_key else "",
            batch=batch.pk,
            retry_of=one.retry_of,
            **request,
        )
        for one in targets.values()
    ]
    outstanding = [row for row in prepared if row.target not in settled]
    refusals: list[Refusal] = []
    come_to = 0
    try:
        while some := outstanding[come_to : come_to + _AT_A_TIME]:
            refusals += _ask_for_some(some, targets, request)
            come_to += len(some)
    except BaseException:
        why = "The request was cut off before it came to this one. Ask again."
        refusals += [Refusal(row.target, CUT_OFF, why) for row in outstanding[come_to:]]
        with contextlib.suppress(Error):  # the database may be what cut it off
            _settle(batch, [*refusals, *refused])
        raise
    return _settle(batch, [*refusals, *refused])


def batch_id(requester: Requester, idempotency_key: str) -> str:
    """Return the id of a new batch, or of the one that this key made before. No query."""
    if idempotency_key:
        return uuid.uuid5(uuid.NAMESPACE_OID, f"{requester.name}\n{idempotency_key}").hex
    return uuid.uuid4().hex


def _key_in(batch: Batch, target_key: str) -> str:
    # A key belongs to one operation, and the key of a target may be as long as the column.
    return f"{batch.pk}:{uuid.uuid5(uuid.NAMESPACE_OID, target_key).hex}"


def _batch(wanted: Batch) -> tuple[Batch, bool]:
    """Store the row, or return the one that is there already and True."""
    wanted.created_at = timezone.now()
    try:
        with transaction.atomic():
            wanted.save(force_insert=True)
    except IntegrityError:
        return Batch.objects.get(pk=wanted.pk), True
    return wanted, False


def _check_same(
    batch: Batch, made: Sequence[Operation], pattern: Operation, keys: set[str], refused: Sequence[Refusal]
) -> None:
    """Raise KeyReused where ``batch`` was another request, as far as what it ``made`` can still tell."""
    targets = {f"{pattern.target_type}:{key}" for key in keys} | {one.target for one in refused}
    same = (
        (batch.kind, batch.total) == (pattern.kind, len(keys) + len(refused))
        and targets.issuperset(one["target"] for one in batch.refused)
        and keys.issuperset(row.target_key for row in made)
        and all(row.parameters == pattern.parameters for row in made)
    )
    if not same:
        raise KeyReused(
            f"The idempotency key was used before, for batch {batch.pk} ({batch}). "
            "Use a new key for a new request."
        )


def _ask_for_some(
    rows: list[Operation], targets: Mapping[str, Wanted], request: Mapping[str, Any]
) -> list[Refusal]:
    """Store those of ``rows`` that nothing is in the way of, ask for each other by itself."""
    refusals = []
    for row in _insert_free(rows):
        wanted = targets[row.target_key]
        try:
            with transaction.atomic():
                if wanted.retry_of is not None and not _hold([wanted.retry_of.pk]):
                    raise OperationGone(
                        f"Operation {wanted.retry_of.pk} does not exist any more; ask for it afresh."
                    )
                intake.request_operation(
                    row.kind,
                    wanted.target,
                    row.target_key,
                    queue=row.queue,
                    idempotency_key=row.idempotency_key,
                    batch=row.batch,
                    retry_of=wanted.retry_of,
                    **request,
                )
        except Problem as problem:
            refusals.append(Refusal(row.target, problem.code, problem.detail))
    return refusals


def _insert_free(rows: list[Operation]) -> list[Operation]:
    """Store what nothing is in the way of, in one transaction; return the others."""
    declared = registry.get(rows[0].kind)
    with transaction.atomic():
        # One at a time: two that insert the same targets in different orders would wait for each other.
        take_turn()
        active = Operation.objects.active().filter(
            target_type=declared.target_type, target_key__in=[row.target_key for row in rows]
        )
        taken = set(active.values_list("target_key", flat=True))
        present = _hold([row.retry_of_id for row in rows if row.retry_of_id is not None])
        free = [
            row
            for row in rows
            if row.target_key not in taken and (row.retry_of_id is None or row.retry_of_id in present)
        ]
        for row in free:
            intake.set_times(row, declared)
        try:
            with transaction.atomic():
                Operation.objects.bulk_create(free)
        except IntegrityError:  # a single request was faster with one of them: ask for each by itself
            return rows
        publish_all(map(operation_fact, free))
    stored = {row.target_key for row in free}
    return [row for row in rows if row.target_key not in stored]


def take_turn() -> None:
    """Let this transaction be the only one that works on batches; SQLite's has the only write lock anyway."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_TURN])


def _hold(ids: Sequence[int]) -> set[int]:
    """Return those of ``ids`` that exist, locked so that no purge deletes them before the commit."""
    if not ids:
        return set()
    rows = Operation.objects.filter(pk__in=ids).order_by("id")
    if connection.features.has_select_for_update:
        rows = rows.select_for_update()
    return set(rows.values_list("pk", flat=True))


def _settle(batch: Batch, refusals: Sequence[Refusal]) -> Asked:
    """Record what was refused, tell how far the batch is, and return it with its operations."""
    with transaction.atomic():
        take_turn()
        operations = list(operations_of(batch))
        rows = Batch.objects.all()
        if connection.features.has_select_for_update:
            rows = rows.select_for_update()
        stored = rows.get(pk=batch.pk)
        # A repetition that came meanwhile may have had what this one was refused, or the other way round.
        accepted = {operation.target for operation in operations}
        told = {one["target"]: one for one in [*stored.refused, *(one.public() for one in refusals)]}
        refused = [one for target, one in told.items() if target not in accepted]
        if refused != stored.refused or stored.finished_at is None:
            stored.refused = refused
            if stored.done < stored.total:
                stored.finished_at = None
            stored.save(update_fields=["refused", "finished_at"])
            publish_all([fact(close_if_complete(stored))])
    return Asked(stored, operations)
