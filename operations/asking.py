"""Asks for an operation by names alone: of its kind and of its target. For who knows nothing more."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Model

from medimgr.lib.access import Person, in_sight
from operations import intake, registry
from operations.exceptions import BadParameters, OperationGone, TargetGone
from operations.intake import request_operation
from operations.models import Operation
from operations.registry import Kind
from operations.requester import Requester

LARGEST_ID = 2**63 - 1


def ask(
    kind: str,
    target: str,
    requester: Requester,
    *,
    parameters: Mapping[str, Any] | None = None,
    reason: str = "",
    idempotency_key: str = "",
    priority: int = 0,
    run_after: datetime | None = None,
) -> Operation:
    """Ask for ``kind`` on ``target``, written as in ``service:backend``, and return the operation.

    A kind that is about no row takes the target that :attr:`Kind.target_type` names, with or without a key.
    Raises UnknownKind, TargetGone, and whatever :func:`request_operation` raises. Queries and writes
    the database.
    """
    declared = registry.get(kind)
    key = _key(declared, target)
    found = _find(declared, key)
    if found is not None and declared.target_field and not in_sight(requester.user, found):
        found = None
    if found is None:
        # Who may not act on it is not told either what there is.
        intake.prepare(kind, declared.model(), key, queue="", requester=requester, parameters=parameters)
        raise TargetGone(f"There is no {declared.target_type}:{key}. Nothing was asked for.")
    return request_operation(
        kind,
        found,
        key,
        queue=declared.queue(found),
        requester=requester,
        parameters=parameters,
        reason=reason,
        idempotency_key=idempotency_key,
        priority=priority,
        run_after=run_after,
    )


def called(operation_id: int, user: Person | None) -> Operation:
    """Return the operation with this number that ``user`` may know of; None, a command, knows all.

    Raises OperationGone. One query, and one for the scope of a user.
    """
    known = 0 < operation_id <= LARGEST_ID
    rows = Operation.objects.visible_to(user)
    operation = rows.filter(pk=operation_id).first() if known else None
    if operation is None:
        raise OperationGone(
            f"There is no operation {operation_id}. Finished operations are deleted after a time."
        )
    return operation


def _key(kind: Kind, target: str) -> str:
    """Return the key in ``type:key``. Raises BadParameters where it is about something else."""
    type_, _, key = target.partition(":")
    if type_ != kind.target_type or not (key or not kind.target_field):
        example = f"{kind.target_type}:KEY" if kind.target_field else kind.target_type
        raise BadParameters(
            f"{kind.name} is about a {kind.target_type}: write its target as {example}, not as {target!r}.",
            errors={"target": [f"Write {example}."]},
        )
    return key


def _find(kind: Kind, key: str) -> Model | None:
    if "\0" in key:  # PostgreSQL refuses it in a comparison; no key holds one
        return None
    try:
        return kind.find(key)
    except (ValueError, ValidationError):  # the target is named by a number, and this is none
        return None
