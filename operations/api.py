"""The JSON API for operations: what was asked, how it went; cancel and retry."""

from dataclasses import asdict
from typing import Any

from django.http import HttpRequest
from ninja import Query, Router
from ninja.responses import Status as Answer

from medimgr.lib.access import demand
from medimgr.lib.api_parameters import Page, RowId
from operations import schemas
from operations.cancelling import cancel_these, cancel_waiting
from operations.exceptions import BadFilter, OperationGone
from operations.intake import retry
from operations.lifecycle import request_cancel
from operations.models import Operation
from operations.request_origin import requester_of
from operations.selection import Selection
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
    selection = _selection(wanted)
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


@router.get("/stats", response=schemas.OperationStats, summary="Counts, failures and durations")
def stats(request: HttpRequest) -> dict[str, Any]:
    """Counts of what is kept; rates and durations, also of each kind, of what ended last. Four queries."""
    demand(request.user, "view", Operation)
    return statistics()


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
    return _called(operation_id).public()


@router.post("/{operation_id}/cancel", response={202: schemas.OperationAnswer}, summary="Cancel it")
def cancel(request: HttpRequest, operation_id: RowId) -> Answer[dict[str, Any]]:
    """What waits ends at once; what runs ends at its next check, or as SUCCESS if it finishes first."""
    demand(request.user, "cancel", Operation)
    operation = request_cancel(_called(operation_id), requester_of(request, "api"))
    return Answer(202, {"operation": operation.public()})


@router.post("/{operation_id}/retry", response={202: schemas.OperationAnswer}, summary="Ask for it again")
def ask_again(request: HttpRequest, operation_id: RowId) -> Answer[dict[str, Any]]:
    """A new operation that points at the old one, for what failed, timed out or was cancelled."""
    demand(request.user, "retry", Operation)
    operation = retry(_called(operation_id), requester_of(request, "api"))
    return Answer(202, {"operation": operation.public()})


def _called(operation_id: int) -> Operation:
    """Return the operation. Raises OperationGone. One query."""
    operation = Operation.objects.filter(pk=operation_id).first()
    if operation is None:
        raise OperationGone(
            f"There is no operation {operation_id}. Finished operations are deleted after a time."
        )
    return operation


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
