"""The JSON API for operations: what was asked, how it went; cancel and retry."""

from dataclasses import asdict
from typing import Any

from django.http import HttpRequest
from ninja import Query, Router
from ninja.responses import Status as Answer

from medimgr.lib.access import demand, demand_staff
from medimgr.lib.api_parameters import IdempotencyKey, Page, RowId
from operations import schemas
from operations.asking import ask, called
from operations.cancelling import cancel_these, cancel_waiting
from operations.exceptions import BadFilter
from operations.intake import retry
from operations.lifecycle import request_cancel
from operations.models import Operation
from operations.request_origin import requester_of
from operations.requester import Requester
from operations.selection import Selection
from operations.states import Status
from operations.statistics import statistics

router = Router(tags=["operations"])


@router.get("", response=schemas.OperationList, summary="Operations, newest first")
def list_operations(
    request: HttpRequest,
    wanted: Query[schemas.OperationFilter],
    page: Query[Page],
    older: Query[schemas.Before],
) -> dict[str, Any]:
    """A bounded number of queries, each of a bounded part of the table, whatever the filters.

    For all that fits follow ``next_before``; ``offset`` gets slower the further it goes.
    """
    demand(request.user, "view", Operation)
    selection = _selection(wanted).visible_to(request.user)
    if page.offset:
        part = selection.from_offset(page.offset, page.limit)
    else:
        part = selection.page(before=older.before, limit=page.limit)
    count, complete = (part.count, part.complete) if part.count is not None else selection.count()
    return {
        "count": count,
        "complete": complete,
        "items": [row.public() for row in part.rows],
        "next_before": part.older,
    }


@router.post("", response={202: schemas.OperationAnswer}, summary="Ask for an operation")
def ask_for_one(
    request: HttpRequest, asked: schemas.AskedFor, idempotency_key: IdempotencyKey
) -> Answer[dict[str, Any]]:
    """Any kind, by its name. Services have doors of their own, which say what each takes."""
    demand_staff(request.user)  # what it takes besides is the kind's affair
    operation = ask(
        asked.kind,
        asked.target,
        requester_of(request, "api"),
        parameters=asked.parameters,
        reason=asked.reason,
        idempotency_key=idempotency_key or "",
        priority=asked.priority,
        run_after=asked.run_after,
    )
    return Answer(202, {"operation": operation.public()})


@router.get("/stats", response=schemas.OperationStats, summary="Counts, failures and durations")
def stats(request: HttpRequest) -> dict[str, Any]:
    """Counts of what is kept; rates and durations, also of each kind, of what ended last. Four queries."""
    demand(request.user, "view", Operation)
    return statistics(request.user)


@router.post("/cancel", response={202: schemas.CancelledMany}, summary="Cancel many")
def cancel_many(request: HttpRequest, wanted: schemas.ManyToCancel) -> Answer[dict[str, Any]]:
    """Either ``ids``: what waits ends at once, what runs is asked to. Or ``filter``: what waits and fits."""
    demand(request.user, "cancel", Operation)
    requester = requester_of(request, "api")
    if (wanted.ids is None) == (wanted.filter is None):
        raise BadFilter(
            "Correct ids, filter. Give one of them.", errors={"ids": ["Give either ids or filter"]}
        )
    if wanted.filter is not None:
        outcome = cancel_waiting(_selection(wanted.filter), requester)
    else:
        outcome = cancel_these(wanted.ids or [], requester)
    return Answer(202, asdict(outcome))


@router.get("/{operation_id}", response=schemas.OperationShape, summary="One operation")
def one_operation(request: HttpRequest, operation_id: RowId) -> dict[str, Any]:
    """One query."""
    demand(request.user, "view", Operation)
    return called(operation_id, request.user).public()


@router.post("/{operation_id}/cancel", response={202: schemas.OperationAnswer}, summary="Cancel it")
def cancel(
    request: HttpRequest, operation_id: RowId, idempotency_key: IdempotencyKey
) -> Answer[dict[str, Any]]:
    """What waits ends at once; what runs ends at its next check, or as SUCCESS if it finishes first.

    Asked twice it changes nothing; with an Idempotency-Key what you have cancelled is no error either.
    """
    demand(request.user, "cancel", Operation)
    requester = requester_of(request, "api")
    operation = called(operation_id, request.user)
    if not (idempotency_key and _was_cancelled_by(operation, requester)):
        operation = request_cancel(operation, requester)
    return Answer(202, {"operation": operation.public()})


@router.post("/{operation_id}/retry", response={202: schemas.OperationAnswer}, summary="Ask for it again")
def ask_again(
    request: HttpRequest, operation_id: RowId, idempotency_key: IdempotencyKey
) -> Answer[dict[str, Any]]:
    """A new operation that points at the old one, for what failed, timed out or was cancelled."""
    demand(request.user, "retry", Operation)
    operation = retry(
        called(operation_id, request.user),
        requester_of(request, "api"),
        idempotency_key=idempotency_key or "",
    )
    return Answer(202, {"operation": operation.public()})


def _was_cancelled_by(operation: Operation, requester: Requester) -> bool:
    """Return whether ``operation`` ended since ``requester`` cancelled it. No query."""
    by = operation.cancel_requested_by
    return operation.status == Status.CANCELLED and bool(by) and by == requester.name[:150]


def _selection(wanted: schemas.OperationFilter) -> Selection:
    """Return the filters. Raises BadFilter. No query."""
    given = wanted.model_dump(exclude={"active"})
    if wanted.active is not None:
        if given["status"]:
            raise BadFilter(
                "Correct active. Give either status or active.",
                errors={"active": ["Give either status or active"]},
            )
        given["status"] = "active" if wanted.active else "ended"
    return Selection.read(given)
