"""What can be done with a batch as a whole: cancel it, ask again for what failed of it."""

from collections.abc import Iterable

from django.db.models import Model

from medimgr.lib.access import Person, demand_reach, in_sight, may, permission
from operations import registry
from operations.batch_requests import Asked, Refusal, Wanted, batch_id, request_batch
from operations.batches import operations_of, progress
from operations.cancelling import Cancelled, cancel_these, demand_cancel
from operations.exceptions import (
    KeyReused,
    NotCancellable,
    NotPermitted,
    NotRetryable,
    TargetGone,
    UnknownBatch,
)
from operations.models import Batch, Operation
from operations.registry import Kind
from operations.requester import Requester
from operations.states import Status


def called(batch_id: str, user: Person | None) -> Batch:
    """Return the batch if ``user`` (None: a command) may know of it. Raises UnknownBatch. Two queries."""
    # PostgreSQL refuses a NUL in a comparison; no id holds one anyway.
    rows = Batch.objects.visible_to(user)
    batch = rows.filter(pk=batch_id).first() if "\0" not in batch_id else None
    if batch is None:
        raise UnknownBatch(f"There is no batch {batch_id!r}. Batches are deleted with their operations.")
    return batch


def cancel_batch(batch: Batch, requester: Requester, *, again: bool = False) -> Cancelled:
    """Cancel what waits of ``batch`` at once, ask what runs to stop; return how many that were.

    ``batch`` gets the row's newest values. Raises NotPermitted, OutOfReach, NotCancellable where all of it
    has ended, unless this may be the request of the same person come ``again``.
    """
    demand_cancel(requester)
    demand_reach(requester.user, batch)
    rows = operations_of(batch).active().visible_to(requester.user)
    outcome = cancel_these(rows.values_list("pk", flat=True), requester)
    batch.refresh_from_db()
    if not outcome.ended and not outcome.asked:
        if again and operations_of(batch).filter(cancel_requested_by=requester.name[:150]).exists():
            return outcome
        raise NotCancellable(f"All of batch {batch.pk} has ended already: {progress(batch.public())}.")
    return outcome


def retry_batch(batch: Batch, requester: Requester, *, idempotency_key: str = "") -> Asked:
    """Ask again for what failed or timed out of ``batch``, as a batch of its own, and return that.

    What has been asked for again already is left out; the same ``idempotency_key`` returns the same new
    batch, as it was left. Raises KeyReused where that was another request, NotPermitted, OutOfReach,
    NotRetryable where nothing is left, and what ``request_batch`` raises.
    """
    if requester.user is not None and not may(requester.user, "retry", Operation):
        raise NotPermitted(
            f"You may not retry operations. That takes the permission {permission('retry', Operation)}."
        )
    demand_reach(requester.user, batch)
    made = _made_before(batch, requester, idempotency_key)
    if made is not None:
        return made
    failed = list(
        operations_of(batch)
        .visible_to(requester.user)
        .filter(status__in=[Status.FAILED.value, Status.TIMEOUT.value], retries__isnull=True)
    )
    if not failed:
        raise NotRetryable(
            f"Nothing of batch {batch.pk} failed that is still stored and was not asked for again: "
            f"{progress(batch.public())}."
        )
    kind = registry.get(batch.kind)
    found = _found(kind, [row.target_key for row in failed])
    targets = {key: target for key, target in found.items() if in_sight(requester.user, target)}
    return request_batch(
        batch.kind,
        [Wanted(row.target_key, targets[row.target_key], row) for row in failed if row.target_key in targets],
        requester=requester,
        parameters=failed[0].parameters,
        reason=batch.reason,
        idempotency_key=idempotency_key,
        priority=failed[0].priority,
        refused=[
            Refusal(row.target, TargetGone.code, f"{row.target} does not exist any more.")
            for row in failed
            if row.target_key not in targets
        ],
    )


def _made_before(batch: Batch, requester: Requester, idempotency_key: str) -> Asked | None:
    """Return what the key made before of ``batch``. Raises KeyReused where that was something else."""
    if not idempotency_key:
        return None
    made = Batch.objects.filter(pk=batch_id(requester, idempotency_key)).first()
    if made is None:
        return None
    operations = list(operations_of(made).select_related("retry_of"))
    of_this = (row.retry_of is not None and row.retry_of.batch == batch.pk for row in operations)
    if operations and not any(of_this):
        raise KeyReused(
            f"The idempotency key was used before, for batch {made.pk} ({made}). "
            "Use a new key for a new request."
        )
    return Asked(made, operations)


def _found(kind: Kind, keys: Iterable[str]) -> dict[str, Model]:
    """Return those of the targets that exist. One query, however many."""
    if not kind.target_field:
        return {key: kind.model() for key in keys}
    # With what they belong to: the queue of a service is that of its node.
    rows = kind.model._default_manager.select_related().filter(**{f"{kind.target_field}__in": list(keys)})
    return {getattr(row, kind.target_field): row for row in rows}
