"""One request over many targets: a batch, each of its targets on its own merits.

The row of the batch comes first, then its operations a chunk at a time: one INSERT for those that nothing
is in the way of, or something that gives way. The others are asked for one by one, as a single request
would be.
"""

import contextlib
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import Error, IntegrityError, connection, transaction
from django.db.models import Model
from django.utils import timezone

from medimgr.events.log import publish_all
from medimgr.lib.access import labels_of, scope_of
from medimgr.lib.problems import Problem
from medimgr.lib.refusals import OutOfReach
from medimgr.lib.scope import EVERYTHING, Labels, stored
from operations import intake, registry
from operations.auditing import record_asked
from operations.batches import close_if_complete, count_ends, fact, operations_of
from operations.exceptions import KeyReused, OperationGone
from operations.lifecycle import fact as operation_fact
from operations.lifecycle import supersede
from operations.models import Batch, Operation
from operations.requester import Requester
from operations.states import Status

CUT_OFF = "not-asked"
"""The code of targets that were not come to, since the request was cut off: asked anew at a repetition."""
_AT_A_TIME = 50  # so that no transaction holds up other writers for a tenth of a second
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
    priority: int = 0,
    run_after: datetime | None = None,
    refused: Sequence[Refusal] = (),
) -> Asked:
    """Ask for ``kind`` on each target and return the batch with what was accepted and what was refused.

    ``refused`` are targets that the caller knows to be impossible; they count as part of the batch, as does
    what is out of the requester's reach. The same ``idempotency_key`` of the same requester returns the same
    batch, and goes on with it where it was cut off. What is wrong with the request as a whole raises
    UnknownKind, NotPermitted, BadParameters, ReasonWanted or KeyReused, and leaves no trace. A few queries
    for every fifty targets, and a few for each that has something in its way. Call it outside of a
    transaction, see ``lifecycle``.
    """
    declared = registry.get(kind)
    targets = {one.key: one for one in wanted}
    request: dict[str, Any] = {
        "requester": requester,
        "parameters": parameters,
        "reason": reason,
        "priority": priority,
        "run_after": run_after,
    }
    # Also where no target is left: who may not ask is told so, not that there was nothing to do.
    pattern = intake.prepare(kind, declared.model(), "", queue="", idempotency_key=idempotency_key, **request)
    batch, again = _batch(
        Batch(
            id=batch_id(requester, idempotency_key),
            kind=kind,
            labels=stored(_reached_labels(requester, [one.target for one in targets.values()])),
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
    prepared: list[Operation] = []
    refusals: list[Refusal] = []
    for one in targets.values():
        try:
            row = intake.prepare(
                kind,
                one.target,
                one.key,
                queue=declared.queue(one.target),
                idempotency_key=_key_in(batch, one.key) if idempotency_key else "",
                batch=batch.pk,
                retry_of=one.retry_of,
                **request,
            )
        except OutOfReach as problem:
            refusals.append(Refusal(f"{declared.target_type}:{one.key}", problem.code, problem.detail))
        else:
            prepared.append(row)
    outstanding = [row for row in prepared if row.target not in settled]
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


def _reached_labels(requester: Requester, targets: Iterable[Model]) -> Labels:
    """Return the labels of all targets that the requester reaches: who has one of them sees the batch.

    No query but those of ``labels_of``, and of the scope where it has not been read.
    """
    scope = EVERYTHING if requester.user is None else scope_of(requester.user)
    found = (labels_of(target) or frozenset() for target in targets)
    return frozenset().union(*(labels for labels in found if scope.reaches(labels)))


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
        and all(
            (row.parameters, row.priority) == (pattern.parameters, pattern.priority)
            and _not_before(row) == _not_before(pattern, row.created_at)
            for row in made
        )
    )
    if not same:
        raise KeyReused(
            f"The idempotency key was used before, for batch {batch.pk} ({batch}). "
            "Use a new key for a new request."
        )


def _not_before(row: Operation, asked_at: datetime | None = None) -> datetime | None:
    """Return the time that somebody wanted ``row`` to wait for; None where it was to begin at once."""
    asked_at = asked_at or row.created_at
    return row.run_after if row.run_after is not None and row.run_after > asked_at else None


def _ask_for_some(
    rows: list[Operation], targets: Mapping[str, Wanted], request: Mapping[str, Any]
) -> list[Refusal]:
    """Store those of ``rows`` that nothing is in the way of, ask for each other by itself."""
    refusals = []
    for row in _insert_at_once(rows, request["requester"]):
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


def _insert_at_once(rows: list[Operation], requester: Requester) -> list[Operation]:
    """Store what nothing is in the way of, or something that gives way; return the others.

    In one transaction.
    """
    declared = registry.get(rows[0].kind)
    active = Operation.objects.active().filter(
        target_type=declared.target_type, target_key__in=[row.target_key for row in rows]
    )
    replaced: list[Operation] = []
    stored: list[Operation] = []
    with transaction.atomic():
        # One at a time: two that insert the same targets in different orders would wait for each other.
        take_turn()
        taken = set(active.values_list("target_key", flat=True))
        if connection.features.has_select_for_update_skip_locked:
            active = active.select_for_update(skip_locked=True)
        held = {row.target_key: row for row in active} if taken else {}
        present = _hold([row.retry_of_id for row in rows if row.retry_of_id is not None])
        try:
            with transaction.atomic():
                for row in rows:
                    if row.retry_of_id is not None and row.retry_of_id not in present:
                        continue
                    other = held.get(row.target_key)
                    if other is not None:
                        ended = _give_way(other, row, declared, requester)
                        if ended is None:
                            continue
                        replaced.append(ended)
                    elif row.target_key in taken:  # somebody else is changing it just now
                        continue
                    intake.set_times(row, declared)
                    stored.append(row)
                Operation.objects.bulk_create(stored)
        except IntegrityError:  # a single request was faster with one of them: ask for each by itself
            return rows
        record_asked(stored, requester)
        counted = count_ends(replaced)
        publish_all([*map(operation_fact, [*replaced, *stored]), *counted])
    done = {row.target_key for row in stored}
    return [row for row in rows if row.target_key not in done]


def _give_way(
    other: Operation, row: Operation, declared: registry.Kind, requester: Requester
) -> Operation | None:
    # What is of this batch already came from the same request a moment ago.
    if other.batch == row.batch or not declared.replaces(other.kind, Status(other.status)):
        return None
    return supersede(other, declared, requester)


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
