"""Every transition of an operation, each conditional and with its event in the same transaction.

The condition names the status and, for whoever holds the operation, the lease token. No row changed
means that somebody else was first: the holder gets LeaseLost and must stop. A finished row meets no
condition here, so it never changes.

Call these functions outside of a transaction: on PostgreSQL the event takes a lock that is held until
the commit, and a second operation in the same transaction could wait for the holder of that lock.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from medimgr.lib.access import demand, may, permission
from medimgr.lib.plain_text import harmless
from operations import registry, words
from operations.auditing import record_asked_to_stop, record_cancelled
from operations.claiming import LEASE_SECONDS, claim
from operations.exceptions import (
    CancelledByRequest,
    LeaseLost,
    NotCancellable,
    NotPermitted,
    OperationGone,
    OutOfTime,
    Superseded,
)
from operations.models import Operation, OperationQuerySet
from operations.requester import Requester
from operations.states import FINISHED, Status
from operations.transitions import Change, change, ending, fact

__all__ = [
    "LEASE_SECONDS",
    "End",
    "checkpoint",
    "claim",
    "fact",
    "fail_abandoned",
    "finish",
    "finish_all",
    "postpone",
    "reap",
    "redate",
    "renew",
    "report",
    "request_cancel",
    "standing",
    "supersede",
]

LONGEST_LEASE_SECONDS = 120.0
_ENDED_AT_A_TIME = 100


@dataclass(frozen=True, slots=True)
class End:
    """How an operation that somebody holds is to end."""

    operation: Operation
    status: Status
    code: str = ""
    detail: str = ""


def renew(operations: Iterable[Operation], lease_seconds: float = LEASE_SECONDS) -> set[int]:
    """Extend the leases of ``operations`` and return the ids of those that are still held.

    One UPDATE for all that one owner claimed, and one query more where some are lost. No event.
    """
    groups: dict[tuple[str, int], list[int]] = defaultdict(list)
    for operation in operations:
        groups[operation.lease_owner, operation.lease_token].append(operation.pk)
    until = timezone.now() + timedelta(seconds=lease_seconds)
    held: set[int] = set()
    for (owner, token), ids in groups.items():
        with transaction.atomic():
            mine = Operation.objects.filter(
                pk__in=ids, status=Status.RUNNING, lease_owner=owner, lease_token=token
            )
            _lock(mine)
            if mine.update(lease_until=until) == len(ids):
                held.update(ids)
            else:
                held.update(mine.values_list("pk", flat=True))
    return held


def postpone(operations: Iterable[Operation]) -> None:
    """Let the deadlines of running ``operations`` count from now on: they were not to begin before.

    One UPDATE for all of a kind that one owner claimed; those that are not held any more stay as they are.
    No event. Each of ``operations`` gets its new deadline.
    """
    groups: dict[tuple[str, str, int], list[Operation]] = defaultdict(list)
    for operation in operations:
        groups[operation.kind, operation.lease_owner, operation.lease_token].append(operation)
    now = timezone.now()
    for (kind, owner, token), same in groups.items():
        deadline = now + timedelta(seconds=words.deadline_seconds(kind))
        for operation in same:
            operation.deadline_at = deadline
        Operation.objects.filter(
            pk__in=[operation.pk for operation in same],
            status=Status.RUNNING,
            lease_owner=owner,
            lease_token=token,
        ).update(deadline_at=deadline)


def redate(deadlines: Iterable[tuple[Operation, float]]) -> None:
    """Give running operations a deadline in so many seconds each, after the clock was set.

    One UPDATE for each; those that are not held any more stay as they are. No event.
    """
    now = timezone.now()
    for operation, seconds in deadlines:
        operation.deadline_at = now + timedelta(seconds=seconds)
        held = Operation.objects.filter(pk=operation.pk, **_held(operation))
        held.update(deadline_at=operation.deadline_at)


def standing(owner: str) -> dict[int, str | None]:
    """Return what ``owner`` still holds: id → who asked to cancel it, None where nobody did. One query."""
    running = Operation.objects.filter(status=Status.RUNNING, lease_owner=owner)
    rows = running.values_list("pk", "cancel_requested_at", "cancel_requested_by")
    return {pk: by if at else None for pk, at, by in rows}


def report(operation: Operation, done: int, total: int, message: str) -> None:
    """Store and publish the progress. Raises LeaseLost. ``operation`` gets the row's newest values."""
    _write(operation, _progress(done, total, message))


def checkpoint(operation: Operation, value: Any, done: int, total: int, message: str) -> None:
    """Store up to where the work is done for good, with the progress. Raises LeaseLost.

    ``value`` is anything that JSON can hold. ``operation`` gets the row's newest values.
    """
    _write(operation, {"checkpoint": value, **_progress(done, total, message)})


def finish(operation: Operation, status: Status | str, code: str = "", detail: str = "") -> None:
    """End a running operation as ``status``, with what ``operation`` last knew of its progress.

    Raises LeaseLost where it was ended or taken over already, ValueError for a status that is no end.
    """
    [lost] = finish_all([End(operation, Status(status), code, detail)])
    if lost is not None:
        raise lost


def finish_all(ends: Sequence[End]) -> list[LeaseLost | None]:
    """End operations in one transaction, each as long as it is held; return None or what :func:`finish`
    would have raised for each. Each operation gets its row's newest values.

    A few queries for all that end alike. Raises ValueError for a status that is no end.
    """
    now = timezone.now()
    changes = []
    for end in ends:
        if end.status not in FINISHED:
            raise ValueError(
                f"{end.status} is not an end: an operation finishes as {', '.join(sorted(FINISHED))}."
            )
        row = end.operation
        values = {
            **ending(end.status, end.code, end.detail, now),
            **_progress(row.progress_done, row.progress_total, row.progress_message),
        }
        changes.append(Change(row.pk, _held(row), values))
    outcomes: list[LeaseLost | None] = []
    for end, row_now in zip(ends, change(changes), strict=True):
        outcomes.append(_lost(end.operation) if row_now is None else None)
        if row_now is not None:
            _become(end.operation, row_now)
    return outcomes


def request_cancel(operation: Operation, requester: Requester) -> Operation:
    """Cancel a waiting operation at once, ask a running one to stop; return it as it is then.

    A running one ends as CANCELLED when its handler next looks, or as SUCCESS if it finishes first.
    Asking twice changes nothing. Raises NotPermitted, OutOfReach, NotCancellable, OperationGone.
    """
    if requester.user is not None and not may(requester.user, "cancel", Operation):
        raise NotPermitted(
            f"You may not cancel operations. That takes the permission {permission('cancel', Operation)}."
        )
    if requester.user is not None:
        demand(requester.user, "cancel", operation)
    by = {"cancel_requested_at": timezone.now(), "cancel_requested_by": requester.name[:150]}
    detail = f"Cancelled by {requester.name} before it began."
    waiting = {"status": Status.PENDING}
    end = ending(Status.CANCELLED, CancelledByRequest.code, detail)
    with transaction.atomic():
        [row] = change([Change(operation.pk, waiting, end | by)])
        if row is not None:
            record_cancelled([row], requester)
        else:
            running = {"status": Status.RUNNING, "cancel_requested_at": None}
            [row] = change([Change(operation.pk, running, by)])
            if row is not None:
                record_asked_to_stop(row, requester)
    if row is None:
        row = Operation.objects.filter(pk=operation.pk).first()
        if row is None:
            raise OperationGone(f"Operation {operation.pk} does not exist any more.")
        if row.status != Status.RUNNING:
            raise NotCancellable(f"{words.name(row)} has ended already: {words.ended(row)}")
    _become(operation, row)
    return operation


def fail_abandoned(queue: str, owner: str) -> int:
    """End as FAILED what anybody but ``owner`` holds of ``queue``; return how many.

    Only for the one server of a queue, right after its start: whoever held it before is dead.
    """
    return _end_each(
        Operation.objects.filter(queue=queue, status=Status.RUNNING).exclude(lease_owner=owner),
        {},
        lambda row: ending(Status.FAILED, LeaseLost.code, words.lease_lost(row)),
    )


def reap(now: datetime, queue: str = "") -> int:
    """End what would otherwise stay for ever, of one queue or of all, and return how many that were.

    RUNNING without a live lease → FAILED ``lease-lost``; RUNNING past its deadline → TIMEOUT; PENDING
    past its deadline → TIMEOUT. Four indexed queries where there is nothing to do. It believes the clock:
    see :mod:`operations.clock_jumps` for when that was set.
    """
    rows = Operation.objects.filter(queue=queue) if queue else Operation.objects.all()
    count = _end_each(
        rows.filter(status=Status.RUNNING, lease_until__lt=now),
        {"lease_until__lt": now},
        lambda row: ending(Status.FAILED, LeaseLost.code, words.lease_lost(row)),
    )
    # Nobody gives a lease that is this long: the clock was set back since, and its holder has not noticed.
    beyond = now + timedelta(seconds=LONGEST_LEASE_SECONDS)
    count += _end_each(
        rows.filter(status=Status.RUNNING, lease_until__gt=beyond),
        {"lease_until__gt": beyond},
        lambda row: ending(Status.FAILED, LeaseLost.code, words.lease_lost(row)),
    )
    for status in (Status.RUNNING, Status.PENDING):
        count += _end_each(
            rows.filter(status=status, deadline_at__lt=now),
            {"deadline_at__lt": now},
            lambda row: ending(Status.TIMEOUT, OutOfTime.code, words.timed_out(row)),
        )
    return count


def supersede(operation: Operation, successor: registry.Kind, requester: Requester) -> Operation | None:
    """End an active operation in favour of a new one; return it, None where it has changed meanwhile.

    Inside the transaction of the new one; the caller counts it in its batch and publishes both.
    """
    changed = Operation.objects.filter(
        pk=operation.pk, status=operation.status, lease_token=operation.lease_token
    ).update(**ending(Status.CANCELLED, Superseded.code, words.superseded(successor, requester)))
    return Operation.objects.get(pk=operation.pk) if changed else None


def _held(operation: Operation) -> dict[str, Any]:
    return {"status": Status.RUNNING, "lease_token": operation.lease_token}


def _progress(done: int, total: int, message: str) -> dict[str, Any]:
    return {
        "progress_done": min(max(0, done), _MOST),
        "progress_total": min(max(0, total), _MOST),
        "progress_message": harmless(message)[:300],
    }


_MOST = 2**31 - 1
"""The greatest number of a column of progress."""


def _write(operation: Operation, values: dict[str, Any]) -> None:
    [row] = change([Change(operation.pk, _held(operation), values)])
    if row is None:
        raise _lost(operation)
    _become(operation, row)


def _lock(rows: OperationQuerySet) -> None:
    """Lock rows in the order of their ids, as everybody does: no two wait for each other then."""
    if connection.features.has_select_for_update:
        list(rows.order_by("pk").select_for_update().values_list("pk"))


def _end_each(
    rows: OperationQuerySet, condition: dict[str, Any], values: Callable[[Operation], dict[str, Any]]
) -> int:
    """End every one of ``rows`` that has not changed meanwhile, some in each transaction."""
    count, after = 0, 0
    while some := list(rows.filter(pk__gt=after).order_by("id")[:_ENDED_AT_A_TIME]):
        ended = change(
            [
                Change(
                    row.pk, {"status": row.status, "lease_token": row.lease_token, **condition}, values(row)
                )
                for row in some
            ]
        )
        count += sum(row is not None for row in ended)
        after = some[-1].pk
    return count


def _become(operation: Operation, row: Operation) -> None:
    for field in Operation._meta.concrete_fields:
        setattr(operation, field.attname, getattr(row, field.attname))


def _lost(operation: Operation) -> LeaseLost:
    row = Operation.objects.filter(pk=operation.pk).first()
    if row is None:
        return LeaseLost(f"Operation {operation.pk} does not exist any more. Stop working on it.")
    if row.status == Status.RUNNING:
        return LeaseLost(f"{words.name(row)} is held by {row.lease_owner} now. Stop working on it.")
    return LeaseLost(f"{words.name(row)} has ended already: {words.ended(row)} Stop working on it.")
