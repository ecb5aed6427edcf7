"""How an operation comes to be: permission, parameters, idempotency, one at a time per target."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, cast

from django.db import IntegrityError, connection, transaction
from django.db.models import Field, Model
from django.utils import timezone
from pydantic import ValidationError

from medimgr.events.log import Fact, publish_all
from medimgr.lib.access import demand, demand_everywhere, in_sight, labels_of, may, permission
from medimgr.lib.log_context import request_id
from medimgr.lib.scope import stored
from operations import batches, registry, words
from operations.auditing import record_asked
from operations.exceptions import (
    BadParameters,
    KeyReused,
    NotPermitted,
    NotRetryable,
    OperationGone,
    ReasonWanted,
    TargetBusy,
    TargetGone,
)
from operations.lifecycle import fact, supersede
from operations.models import Operation
from operations.registry import Kind
from operations.repetition import follow
from operations.requester import Requester
from operations.states import Status

__all__ = ["Requester", "request_operation", "retry"]

RETRYABLE = frozenset({Status.FAILED, Status.CANCELLED, Status.TIMEOUT})
LEAST_PRIORITY, GREATEST_PRIORITY = -100, 100
LONGEST_WAIT = timedelta(days=366)
"""So far ahead an operation may be asked for."""
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
    priority: int = 0,
    run_after: datetime | None = None,
) -> Operation:
    """Store a new PENDING operation with its event in one transaction, and return it.

    The more urgent go first: ``priority`` is from -100 to 100. It does not begin before ``run_after``, an
    aware time at most LONGEST_WAIT ahead, and its deadline counts from then. The same ``idempotency_key`` of
    the same requester with the same kind, target, parameters, priority and time returns the operation that
    it made the first time. Raises UnknownKind, NotPermitted, OutOfReach, BadParameters, ReasonWanted,
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
        priority=priority,
        run_after=run_after,
    )
    with transaction.atomic():
        return _store(wanted, requester)


def _store(wanted: Operation, requester: Requester) -> Operation:
    """Store what :func:`prepare` made, in the transaction of the caller."""
    declared = registry.get(wanted.kind)
    replaced: list[Operation] = []
    for _ in range(_ATTEMPTS):
        # In this order: what is in the way may be the same request, committed a moment ago, and
        # the later look then finds it.
        in_the_way = Operation.objects.active().of(wanted.target_type, wanted.target_key).first()
        same = _made_before(wanted)
        if same is not None:
            publish_all(_facts(replaced))
            return same
        if in_the_way is not None:
            if not declared.replaces(in_the_way.kind, Status(in_the_way.status)):
                raise TargetBusy(words.busy(in_the_way))
            ended = supersede(in_the_way, declared, requester)
            if ended is None:  # it was claimed or ended since we looked: decide anew
                continue
            replaced.append(ended)
        if _insert(wanted, declared):
            record_asked([wanted], requester)
            publish_all([*_facts(replaced), fact(wanted)])
            return wanted
    raise TargetBusy(f"{wanted.target_words} is busy: others ask for it at the same moment. Try again.")


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
    priority: int = 0,
    run_after: datetime | None = None,
) -> Operation:
    """Return what such a request asks for as a row that is checked but not stored. No query of its own.

    Raises UnknownKind, NotPermitted, OutOfReach, BadParameters, ReasonWanted. :func:`set_times` completes it.
    """
    declared = registry.get(kind)
    _check_permission(declared, target, requester)
    # A kind as such, without a target, has no lane: a request over many is checked so.
    named = target.pk is not None or not declared.target_field
    lane, lane_limit = declared.lane(target) if named else ("", 0)
    wanted = Operation(
        kind=kind,
        target_type=declared.target_type,
        target_key=target_key,
        target_name=declared.called(target)[:200] if named else "",
        labels=stored(labels_of(target) or ()) if named else "",
        request_id=request_id.get()[:64],
        parameters=_checked_parameters(declared, parameters or {}),
        queue=queue,
        requested_by=requester.user,
        requester=requester.name[:150],
        source=requester.source[:16],
        address=requester.address[:64],
        reason=_checked_text("reason", reason),
        idempotency_key=_checked_text("idempotency_key", idempotency_key),
        batch=_checked_text("batch", batch),
        priority=_checked_priority(priority),
        lane=lane,
        lane_limit=lane_limit,
    )
    if run_after is not None:
        wanted.run_after = _checked_time(run_after)
    if declared.needs_reason and not wanted.reason.strip():
        raise ReasonWanted(f"{declared.label} takes a reason: say why, in a few words.")
    if retry_of is not None:
        follow(retry_of, wanted, declared)
    return wanted


def retry(operation: Operation, requester: Requester, *, idempotency_key: str = "") -> Operation:
    """Ask again for what ``operation`` was about: a new operation that points at the old one.

    The same ``idempotency_key`` returns the same new operation. Raises OutOfReach, NotRetryable unless it
    ended as FAILED, CANCELLED or TIMEOUT, TargetGone, OperationGone, and what
    :func:`request_operation` raises.
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
        if requester.user is not None:
            demand(requester.user, "retry", old)
        if old.status not in RETRYABLE:
            raise NotRetryable(
                f"{words.name(old)} is {old.status.lower()}; only what failed, timed out or was cancelled "
                "can be asked for again."
            )
        kind = registry.get(old.kind)
        target = kind.find(old.target_key)
        if target is None or not in_sight(requester.user, target):
            raise TargetGone(f"{old.target_words} does not exist any more, so it can't be tried again.")
        wanted = prepare(
            old.kind,
            target,
            old.target_key,
            queue=kind.queue(target),
            requester=requester,
            parameters=old.parameters,
            reason=old.reason,
            idempotency_key=idempotency_key,
            retry_of=old,
            priority=old.priority,
        )
        return _store(wanted, requester)


def _check_permission(kind: Kind, target: Model, requester: Requester) -> None:
    """Raise NotPermitted, or OutOfReach for the target. A kind as such is asked for by a row without id."""
    if requester.user is None:
        return
    if not may(requester.user, kind.verb, type(target)):
        raise NotPermitted(
            f"You may not ask for {kind.label!r} of a {kind.model._meta.verbose_name}. That takes the "
            f"permission {permission(kind.verb, type(target))}."
        )
    if not kind.target_field:
        demand_everywhere(requester.user, kind.verb, type(target))
    elif target.pk is not None:
        demand(requester.user, kind.verb, target)


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


def _checked_priority(priority: int) -> int:
    if not LEAST_PRIORITY <= priority <= GREATEST_PRIORITY:
        fault = f"It is {priority}; it goes from {LEAST_PRIORITY} to {GREATEST_PRIORITY}."
        raise BadParameters(f"The priority can't be taken. {fault}", errors={"priority": [fault]})
    return priority


def _checked_time(run_after: datetime) -> datetime:
    fault = ""
    if run_after.tzinfo is None:
        fault = "It has no time zone."
    elif run_after > timezone.now() + LONGEST_WAIT:
        fault = f"It is further ahead than {LONGEST_WAIT.days} days."
    if fault:
        raise BadParameters(
            f"The time before which it is not to begin can't be taken. {fault}", errors={"run_after": [fault]}
        )
    return run_after


def _facts(replaced: list[Operation]) -> list[Fact]:
    """Count what gave way in its batches, and return the events. After the last write to an operation."""
    return [*map(fact, replaced), *batches.count_ends(replaced)]


def is_made(requester: Requester, idempotency_key: str) -> bool:
    """Return whether the key made an operation of the requester's before. One query; none without a key."""
    made = Operation.objects.filter(requester=requester.name[:150], idempotency_key=idempotency_key)
    return bool(idempotency_key) and made.exists()


def _made_before(wanted: Operation) -> Operation | None:
    """Return what the idempotency key made before. Raises KeyReused where that was something else."""
    if not wanted.idempotency_key:
        return None
    old = Operation.objects.filter(requester=wanted.requester, idempotency_key=wanted.idempotency_key).first()
    if old is None:
        return None
    if not _same_request(old, wanted):
        raise KeyReused(
            f"The idempotency key was used before, for {words.name(old)}. Use a new key for a new request."
        )
    return old


def _same_request(old: Operation, wanted: Operation) -> bool:
    """Return whether ``wanted`` asks for what ``old`` was asked for."""
    later = old.run_after if old.run_after > old.created_at else None
    begun = wanted.created_at or old.created_at
    asked = wanted.run_after if wanted.run_after is not None and wanted.run_after > begun else None
    return (later, old.retry_of_id, old.kind, old.target, old.parameters, old.priority) == (
        asked,
        wanted.retry_of_id,
        wanted.kind,
        wanted.target,
        wanted.parameters,
        wanted.priority,
    )


def set_times(wanted: Operation, kind: Kind) -> None:
    """Let ``wanted`` be asked for now, and begin when it is to. No query."""
    wanted.created_at = timezone.now()
    wanted.run_after = max(wanted.run_after or wanted.created_at, wanted.created_at)
    wanted.deadline_at = wanted.run_after + timedelta(seconds=kind.longest_wait)


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
