"""Every transition of an operation, each one conditional UPDATE with its event in the same transaction.

The condition names the status and, for whoever holds the operation, the lease token. No row updated
means that somebody else was first: the holder gets LeaseLost and must stop. A finished row meets no
condition here, so it never changes.

Call these functions outside of a transaction: on PostgreSQL the event takes a lock that is held until
the commit, and a second operation in the same transaction could wait for the holder of that lock.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from medimgr.events.log import Fact, publish_all
from medimgr.lib.access import may, permission
from operations import registry, words
from operations.exceptions import LeaseLost, NotCancellable, NotPermitted, OperationGone
from operations.models import Operation
from operations.requester import Requester
from operations.states import FINISHED, Status

LEASE_SECONDS = 30.0


def fact(operation: Operation) -> Fact:
    """Return the event that says how ``operation`` is now. No query."""
    return Fact("operation", str(operation.pk), operation.public())


def claim(
    queue: str, owner: str, *, limit: int = 16, lease_seconds: float = LEASE_SECONDS
) -> list[Operation]:
    """Take up to ``limit`` waiting operations of ``queue``, oldest first: PENDING → RUNNING.

    Each gets a lease of ``lease_seconds`` for ``owner`` and a new lease token, and its deadline counts
    from now on. No two callers get the same operation. One cheap query where nothing waits.
    """
    now = timezone.now()
    # Asked before the transaction: on SQLite that takes the only write lock, which an idle worker
    # that is woken by every commit must not do.
    if limit < 1 or not Operation.objects.claimable(queue, now).exists():
        return []
    with transaction.atomic():
        waiting = Operation.objects.claimable(queue, now)
        if connection.features.has_select_for_update_skip_locked:
            waiting = waiting.select_for_update(skip_locked=True)
        claimed = []
        groups: dict[datetime, list[Operation]] = defaultdict(list)
        for operation in waiting[:limit]:
            groups[now + timedelta(seconds=words.deadline_seconds(operation.kind))].append(operation)
            claimed.append(operation)
        for deadline, operations in groups.items():
            changes: dict[str, Any] = {
                "status": Status.RUNNING,
                "started_at": now,
                "deadline_at": deadline,
                "lease_owner": owner,
                "lease_until": now + timedelta(seconds=lease_seconds),
            }
            # The rows are locked (PostgreSQL), or nobody else can write at all (SQLite). They were all
            # read as PENDING, where the token has its first value.
            for token in {operation.lease_token for operation in operations}:
                same = [operation for operation in operations if operation.lease_token == token]
                held = Operation.objects.filter(
                    pk__in=[operation.pk for operation in same], status=Status.PENDING, lease_token=token
                )
                if held.update(lease_token=token + 1, **changes) != len(same):
                    raise LeaseLost("Somebody else took an operation while it was being claimed. Try again.")
                for operation in same:
                    for name, value in (*changes.items(), ("lease_token", token + 1)):
                        setattr(operation, name, value)
        publish_all(map(fact, claimed))
    return claimed


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
            if mine.update(lease_until=until) == len(ids):
                held.update(ids)
            else:
                held.update(mine.values_list("pk", flat=True))
    return held


def postpone(operations: Iterable[Operation]) -> None:
    """Let the deadlines of running ``operations`` count from now on: they were not to begin before.

    One UPDATE for all of a kind that one owner claimed; those that are not held any more stay as they are.
    No event.
    """
    groups: dict[tuple[str, str, int], list[int]] = defaultdict(list)
    for operation in operations:
        groups[operation.kind, operation.lease_owner, operation.lease_token].append(operation.pk)
    now = timezone.now()
    for (kind, owner, token), ids in groups.items():
        Operation.objects.filter(
            pk__in=ids, status=Status.RUNNING, lease_owner=owner, lease_token=token
        ).update(deadline_at=now + timedelta(seconds=words.deadline_seconds(kind)))


def standing(owner: str) -> dict[int, str | None]:
    """Return what ``owner`` still holds: id → who asked to cancel it, None where nobody did. One query."""
    running = Operation.objects.filter(status=Status.RUNNING, lease_owner=owner)
    rows = running.values_list("pk", "cancel_requested_at", "cancel_requested_by")
    return {pk: by if at else None for pk, at, by in rows}


def report(operation: Operation, done: int, total: int, message: str) -> None:
    """Store and publish the progress. Raises LeaseLost. ``operation`` gets the row's newest values."""
    done, total = max(0, done), max(0, total)
    row = _transition(
        operation.pk,
        {"status": Status.RUNNING, "lease_token": operation.lease_token},
        {"progress_done": done, "progress_total": total, "progress_message": message[:300]},
    )
    if row is None:
        raise _lost(operation)
    _become(operation, row)


def finish(operation: Operation, status: Status | str, code: str = "", detail: str = "") -> None:
    """End a running operation as ``status``, with what ``operation`` last knew of its progress.

    Raises LeaseLost where it was ended or taken over already, ValueError for a status that is no end.
    """
    end = Status(status)
    if end not in FINISHED:
        raise ValueError(f"{end} is not an end: an operation finishes as {', '.join(sorted(FINISHED))}.")
    row = _transition(
        operation.pk,
        {"status": Status.RUNNING, "lease_token": operation.lease_token},
        {
            **_ending(end, code, detail),
            "progress_done": operation.progress_done,
            "progress_total": operation.progress_total,
            "progress_message": operation.progress_message,
        },
    )
    if row is None:
        raise _lost(operation)
    _become(operation, row)


def request_cancel(operation: Operation, requester: Requester) -> Operation:
    """Cancel a waiting operation at once, ask a running one to stop; return it as it is then.

    A running one ends as CANCELLED when its handler next looks, or as SUCCESS if it finishes first.
    Asking twice changes nothing. Raises NotPermitted, NotCancellable, OperationGone.
    """
    if requester.user is not None and not may(requester.user, "cancel", Operation):
        raise NotPermitted(
            f"You may not cancel operations. That takes the permission {permission('cancel', Operation)}."
        )
    row = _transition(
        operation.pk,
        {"status": Status.PENDING},
        {
            **_ending(Status.CANCELLED, "cancelled", f"Cancelled by {requester.name} before it began."),
            "cancel_requested_at": timezone.now(),
            "cancel_requested_by": requester.name[:150],
        },
    )
    if row is None:
        row = _transition(
            operation.pk,
            {"status": Status.RUNNING, "cancel_requested_at": None},
            {"cancel_requested_at": timezone.now(), "cancel_requested_by": requester.name[:150]},
        )
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
        lambda row: _ending(Status.FAILED, "lease-lost", words.lease_lost(row)),
    )


def reap(now: datetime, queue: str = "") -> int:
    """End what would otherwise stay for ever, of one queue or of all, and return how many that were.

    RUNNING without a live lease → FAILED ``lease-lost``; RUNNING past its deadline → TIMEOUT; PENDING
    past its deadline → TIMEOUT. Three indexed queries where there is nothing to do.
    """
    rows = Operation.objects.filter(queue=queue) if queue else Operation.objects.all()
    count = _end_each(
        rows.filter(status=Status.RUNNING, lease_until__lt=now),
        {"lease_until__lt": now},
        lambda row: _ending(Status.FAILED, "lease-lost", words.lease_lost(row)),
    )
    for status in (Status.RUNNING, Status.PENDING):
        count += _end_each(
            rows.filter(status=status, deadline_at__lt=now),
            {"deadline_at__lt": now},
            lambda row: _ending(Status.TIMEOUT, "timeout", words.timed_out(row)),
        )
    return count


def supersede(operation: Operation, successor: registry.Kind, requester: Requester) -> Operation | None:
    """End an active operation in favour of a new one; return it, None where it has changed meanwhile.

    Inside the transaction of the new one; the caller publishes both.
    """
    changed = Operation.objects.filter(
        pk=operation.pk, status=operation.status, lease_token=operation.lease_token
    ).update(**_ending(Status.CANCELLED, "superseded", words.superseded(successor, requester)))
    return Operation.objects.get(pk=operation.pk) if changed else None


def _ending(status: Status, code: str, detail: str) -> dict[str, Any]:
    return {
        "status": status,
        "finished_at": timezone.now(),
        "lease_until": None,
        "error_code": code[:64],
        "error_detail": detail,
    }


def _transition(pk: int, condition: dict[str, Any], changes: dict[str, Any]) -> Operation | None:
    with transaction.atomic():
        if not Operation.objects.filter(pk=pk, **condition).update(**changes):
            return None
        row = Operation.objects.get(pk=pk)
        publish_all([fact(row)])
    return row


def _end_each(rows: Any, condition: dict[str, Any], changes: Any) -> int:
    """End every one of ``rows`` in a short transaction of its own, if it has not changed meanwhile."""
    count = 0
    for row in list(rows.order_by("id")):
        held = {"status": row.status, "lease_token": row.lease_token, **condition}
        count += _transition(row.pk, held, changes(row)) is not None
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
