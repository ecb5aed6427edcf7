"""Cancels many operations at a time: in a few transactions, however many they are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from medimgr.events.log import publish_all
from medimgr.lib.access import may, permission, scope_of
from medimgr.lib.problems import Problem
from operations import batches
from operations.auditing import record_cancelled
from operations.exceptions import CancelledByRequest, NotPermitted, OperationGone
from operations.lifecycle import request_cancel
from operations.models import Operation
from operations.requester import Requester
from operations.selection import Selection
from operations.states import Status
from operations.transitions import ending, fact

MOST = 5_000
"""So many are cancelled in one request; whoever wants more asks again."""
_AT_A_TIME = 200


@dataclass(slots=True)
class Cancelled:
    """What has become of a request to cancel many."""

    ended: int = 0
    """They waited, and are CANCELLED now."""
    asked: int = 0
    """They run, and end at their handlers' next look."""
    refused: list[dict[str, Any]] = field(default_factory=list)
    """``{operation, code, detail}`` of each that could not be cancelled."""
    more: bool = False
    """Whether some that fit the filters still wait."""


def demand_cancel(requester: Requester) -> None:
    """Raise NotPermitted unless ``requester`` may cancel operations."""
    if requester.user is not None and not may(requester.user, "cancel", Operation):
        raise NotPermitted(
            f"You may not cancel operations. That takes the permission {permission('cancel', Operation)}."
        )


def cancel_these(ids: Iterable[int], requester: Requester) -> Cancelled:
    """Cancel what waits of ``ids`` at once, ask what runs to stop, refuse the others each for itself.

    A handful of queries for every two hundred that wait, a few for each other. Raises NotPermitted.
    """
    demand_cancel(requester)
    outcome = Cancelled()
    wanted = sorted(set(ids))
    user = requester.user
    for some in (wanted[begin : begin + _AT_A_TIME] for begin in range(0, len(wanted), _AT_A_TIME)):
        waited = end_waiting(_reached(some, requester), requester)
        outcome.ended += len(waited)
        for pk in sorted(set(some) - waited):
            try:
                row = Operation.objects.visible_to(user).filter(pk=pk).first()
                if row is None:
                    raise OperationGone(f"Operation {pk} does not exist any more.")
                after = request_cancel(row, requester)
            except Problem as problem:
                outcome.refused.append({"operation": pk, "code": problem.code, "detail": problem.detail})
                continue
            if after.status == Status.RUNNING:
                outcome.asked += 1
            else:  # it was made to wait again, or ended by this very request
                outcome.ended += 1
    return outcome


def cancel_waiting(selection: Selection, requester: Requester) -> Cancelled:
    """Cancel what waits and fits ``selection``, the newest first, MOST of it at the most.

    What runs stays untouched. Raises NotPermitted.
    """
    demand_cancel(requester)
    outcome = Cancelled()
    waiting = selection.reached_by(requester.user).waiting()
    if waiting is None:
        return outcome
    before: int | None = None
    while True:
        ids, edge = waiting.fitting(before=before, limit=_AT_A_TIME)
        if ids and outcome.ended >= MOST:
            outcome.more = True
            return outcome
        outcome.ended += len(end_waiting(ids, requester))
        before = ids[-1] if len(ids) == _AT_A_TIME else edge
        if before is None:
            return outcome


def _reached(ids: Sequence[int], requester: Requester) -> Sequence[int]:
    """Return those of ``ids`` that ``requester`` may act on. One query for who is limited, else none."""
    if requester.user is None or scope_of(requester.user).is_everything:
        return ids
    rows = Operation.objects.filter(pk__in=ids).reached_by(requester.user)
    return list(rows.order_by("pk").values_list("pk", flat=True))


def end_waiting(ids: Sequence[int], requester: Requester) -> set[int]:
    """End those of ``ids`` that wait as CANCELLED, in one transaction with their events; return their ids.

    Call it outside of a transaction, see ``lifecycle``. It asks no permission.
    """
    if not ids:
        return set()
    now = timezone.now()
    told = f"Cancelled by {requester.name} before it began."
    changes: dict[str, Any] = {
        **ending(Status.CANCELLED, CancelledByRequest.code, told, now),
        "cancel_requested_at": now,
        "cancel_requested_by": requester.name[:150],
    }
    with transaction.atomic():
        waiting = Operation.objects.filter(pk__in=ids, status=Status.PENDING).order_by("id")
        if connection.features.has_select_for_update:
            waiting = waiting.select_for_update()
        rows = list(waiting)
        if not rows:
            return set()
        # Locked (PostgreSQL), or nobody else can write at all (SQLite): these are all still waiting.
        Operation.objects.filter(pk__in=[row.pk for row in rows], status=Status.PENDING).update(**changes)
        for row in rows:
            for name, value in changes.items():
                setattr(row, name, value)
        record_cancelled(rows, requester)
        counted = batches.count_ends(rows)
        publish_all([*map(fact, rows), *counted])
    return {row.pk for row in rows}
