"""Asks again for what was lost with whoever carried it out, where its kind declares that harmless.

The new operation is asked for by the system, and names in ``requester`` for whom: the person whose wish it
was did not ask a second time, and the audit must not say so. Reason, batch and priority are theirs.
"""

import logging
from collections.abc import Sequence
from datetime import timedelta

from django.db import DatabaseError, IntegrityError, InterfaceError, transaction
from django.utils import timezone

from operations import registry
from operations.exceptions import UnknownKind
from operations.models import Operation
from operations.registry import Kind
from operations.states import Status

logger = logging.getLogger(__name__)

LOST_CODES = frozenset({"lease-lost", "worker-stopped", "handed-over"})
"""The ends that say nothing of the work, only that whoever did it is gone."""


def repeat_lost(ended: Sequence[Operation]) -> dict[int, Operation]:
    """Store a new operation for each of ``ended`` that is to be repeated; return those by the old ones' id.

    Inside of the transaction that ends them. No query where no kind among them is repeatable; a few for
    each one that is repeated. What somebody asked to cancel is not repeated.
    """
    again = {}
    for row in ended:
        if row.status == Status.FAILED and row.error_code in LOST_CODES and not row.cancel_requested_at:
            new = _repeated(row)
            if new is not None:
                again[row.pk] = new
    return again


def _repeated(old: Operation) -> Operation | None:
    try:
        kind = registry.get(old.kind)
        if old.attempt > kind.repeatable:
            return None
        new = _like(old, kind)
    except UnknownKind:
        return None
    except (DatabaseError, InterfaceError):
        raise
    except Exception:
        # The kind's own code (queue, lane); the end of the old one must not depend on it.
        logger.exception("operation %d was lost, and could not be asked for again", old.pk)
        return None
    if new is None:
        return None
    try:
        with transaction.atomic():
            new.save(force_insert=True)
    except IntegrityError:  # its target has another active operation: that came first
        return None
    return new


def _like(old: Operation, kind: Kind) -> Operation | None:
    target = kind.find(old.target_key)
    if target is None:
        return None
    now = timezone.now()
    lane, lane_limit = kind.lane(target)
    by_itself = old.source == "system" and old.retry_of_id is not None
    new = Operation(
        kind=old.kind,
        target_type=old.target_type,
        target_key=old.target_key,
        target_name=kind.called(target)[:200],
        parameters=old.parameters,
        queue=kind.queue(target),
        requester=old.requester if by_itself else f"system, for {old.requester}"[:150],
        source="system",
        reason=old.reason,
        batch=old.batch,
        priority=old.priority,
        lane=lane,
        lane_limit=lane_limit,
        created_at=now,
        run_after=now,
        deadline_at=now + timedelta(seconds=kind.longest_wait),
    )
    follow(old, new, kind)
    return new


def follow(old: Operation, new: Operation, kind: Kind) -> None:
    """Let ``new`` be the next try of ``old``, and go on from its checkpoint where its kind can. No query."""
    new.retry_of = old
    new.attempt = old.attempt + 1
    same = (old.kind, old.target, old.parameters) == (new.kind, new.target, new.parameters)
    if kind.resumable and same and old.checkpoint is not None:
        new.checkpoint = old.checkpoint
        new.progress_done = old.progress_done
        new.progress_total = old.progress_total
        new.progress_message = old.progress_message
