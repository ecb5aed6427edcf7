"""How an operation comes to be: permission, parameters, idempotency, one at a time per target."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, cast

from django.db import IntegrityError, connection, transaction
from django.db.models import Field, Model
from django.utils import timezone
from pydantic import ValidationError

from medimgr.events.log import Fact, publish_all
from medimgr.lib.access import may, permission
from operations import registry, words
from operations.exceptions import (
    BadParameters,
    KeyReused,
    NotPermitted,
    NotRetryable,
    OperationGone,
    TargetBusy,
    TargetGone,
)
from operations.lifecycle import fact, supersede
from operations.models import Operation
from operations.registry import Kind
from operations.requester import Requester
from operations.states import Status

__all__ = ["Requester", "request_operation", "retry"]

RETRYABLE = frozenset({Status.FAILED, Status.CANCELLED, Status.TIMEOUT})
# So often a decision may be overtaken by somebody else's before we say that the target is busy.
_ATTEMPTS = 5


def request_operation(
    kind: str,
    target: Model,
    target_key: str,
    *,
    queue: str,
    requester: Requester,
    parameters: Mapping[str, Any] | None = None,
    reason: str = "",
    idempotency_key: str = "",
    batch: str = "",
    retry_of: Operation | None = None,
) -> Operation:
    """Store a new PENDING operation with its event in one transaction, and return it.

    The same ``idempotency_key`` of the same requester with the same kind, target and parameters returns
    the operation that it made the first time. Raises UnknownKind, NotPermitted, BadParameters,
    KeyReused, and TargetBusy where an active operation on the target does not give way
    (:meth:`operations.registry.Kind.replaces`). Call it outside of a transaction, see ``lifecycle``.
    """
    wanted = prepare(
        kind,
        target,
        target_key,
        queue=queue,
        requester=requester,
        parameters=parameters,
        reason=reason,
        idempotency_key=idempotency_key,
        batch=batch,
        retry_of=retry_of,
    )
    declared = registry.get(kind)
    with transaction.atomic():
        facts: list[Fact] = []
        for _ in range(_ATTEMPTS):
            # In this order: what is in the way may be the same request, committed a moment ago, and
            # the later look then finds it.
            in_the_way = Operation.objects.active().of(wanted.target_type, target_key).first()
            same = _made_before(wanted)
            if same is not None:
                publish_all(facts)
                return same
            if in_the_way is not None:
                if not declared.replaces(in_the_way.kind, Status(in_the_way.status)):
                    raise TargetBusy(words.busy(in_the_way))
                ended = supersede(in_the_way, declared, requester)
                if ended is None:  # it was claimed or ended since we looked: decide anew
                    continue
                facts.append(fact(ended))
            if _insert(wanted, declared):
                publish_all([*facts, fact(wanted)])
                return wanted
        raise TargetBusy(f"{wanted.target} is busy: others ask for it at the same moment. Try again.")


def prepare(
    kind: str,
    target: Model,
    target_key: str,
    *,
    queue: str,
    requester: Requester,
    parameters: Mapping[str, Any] | None = None,
    reason: str = "",
    idempotency_key: str = "",
    batch: str = "",
    retry_of: Operation | None = None,
) -> Operation:
    """Return what such a request asks for as a row that is checked but not stored. No query of its own.

    Raises UnknownKind, NotPermitted, BadParameters.
    """
    declared = registry.get(kind)
    _check_permission(declared, target, requester)
    return Operation(
        kind=kind,
        target_type=declared.target_type,
        target_key=target_key,
        parameters=_checked_parameters(declared, parameters or {}),
        queue=queue,
        requested_by=requester.user,
        requester=requester.name[:150],
        source=requester.source[:16],
        address=requester.address[:64],
        reason=_checked_text("reason", reason),
        idempotency_key=_checked_text("idempotency_key", idempotency_key),
        batch=_checked_text("batch", batch),
        retry_of=retry_of,
    )


def retry(operation: Operation, requester: Requester) -> Operation:
    """Ask again for what ``operation`` was about: a new operation that points at the old one.

    Raises NotRetryable unless it ended as FAILED, CANCELLED or TIMEOUT, TargetGone, OperationGone, and
    whatever :func:`request_operation` raises.
    """
    if requester.user is not None and not may(requester.user, "retry", Operation):
        raise NotPermitted(
            f"You may not retry operations. That takes the permission {permission('retry', Operation)}."
        )
    with transaction.atomic():
        # Locked, so that a purge can't delete it between here and the new row that points at it.
        rows = Operation.objects.all()
        if connection.features.has_select_for_update:
            rows = rows.select_for_update()
        old = rows.filter(pk=operation.pk).first()
        if old is None:
            raise OperationGone(f"Operation {operation.pk} does not exist any more; ask for it afresh.")
        if old.status not in RETRYABLE:
            raise NotRetryable(
                f"{words.name(old)} is {old.status.lower()}; only what failed, timed out or was cancelled "
                "can be asked for again."
            )
        kind = registry.get(old.kind)
        target = kind.find(old.target_key)
        if target is None:
            raise TargetGone(f"{old.target} does not exist any more, so it can't be tried again.")
        return request_operation(
            old.kind,
            target,
            old.target_key,
            queue=kind.queue(target),
            requester=requester,
            parameters=old.parameters,
            reason=old.reason,
            retry_of=old,
        )


def _check_permission(kind: Kind, target: Model, requester: Requester) -> None:
    if requester.user is not None and not may(requester.user, kind.verb, target):
        raise NotPermitted(
            f"You may not ask for {kind.label!r} of a {kind.model._meta.verbose_name}. That takes the "
            f"permission {permission(kind.verb, type(target))}."
        )


def _checked_parameters(kind: Kind, parameters: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return kind.parameters.model_validate(dict(parameters)).model_dump(mode="json")
    except ValidationError as error:
        errors: dict[str, list[str]] = {}
        for fault in error.errors(include_url=False, include_input=False, include_context=False):
            place = ".".join(str(part) for part in fault["loc"]) or "parameters"
            errors.setdefault(place, []).append(fault["msg"])
        raise BadParameters(
            f"The parameters do not fit {kind.name}: "
            + "; ".join(f"{place}: {' '.join(messages)}" for place, messages in errors.items())
            + ".",
            errors=errors,
        ) from None


def _checked_text(field: str, value: str) -> str:
    longest = cast("Field[Any, Any]", Operation._meta.get_field(field)).max_length or 0
    fault = ""
    if len(value) > longest:
        fault = f"It has {len(value)} characters; {longest} is the most."
    elif "\0" in value:
        fault = "It contains a NUL character."
    if fault:
        raise BadParameters(f"The {field.replace('_', ' ')} can't be taken. {fault}", errors={field: [fault]})
    return value


def _made_before(wanted: Operation) -> Operation | None:
    """Return what the idempotency key made before. Raises KeyReused where that was something else."""
    if not wanted.idempotency_key:
        return None
    old = Operation.objects.filter(requester=wanted.requester, idempotency_key=wanted.idempotency_key).first()
    if old is None:
        return None
    if (old.kind, old.target, old.parameters) != (wanted.kind, wanted.target, wanted.parameters):
        raise KeyReused(
            f"The idempotency key was used before, for {words.name(old)}. Use a new key for a new request."
        )
    return old


def set_times(wanted: Operation, kind: Kind) -> None:
    """Let ``wanted`` be asked for now. No query."""
    now = timezone.now()
    wanted.created_at = wanted.run_after = now
    wanted.deadline_at = now + timedelta(seconds=kind.deadline_seconds)


def _insert(wanted: Operation, kind: Kind) -> bool:
    """Insert; return False where the database says that somebody else was faster."""
    set_times(wanted, kind)
    try:
        # A savepoint: on PostgreSQL a violated constraint would otherwise end the whole transaction.
        with transaction.atomic():
            wanted.save(force_insert=True)
    except IntegrityError:
        wanted.pk = None
        wanted._state.adding = True
        return False
    return True
