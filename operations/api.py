"""The JSON API for operations: what was asked, how it went; cancel and retry."""

from typing import Any

from django.db.models import Avg, Count, DurationField, ExpressionWrapper, F, Max, Min
from django.http import HttpRequest
from ninja import Query, Router
from ninja.responses import Status as Answer

from medimgr.lib.access import demand
from medimgr.lib.api_parameters import Page, RowId
from medimgr.lib.units import iso
from operations import schemas
from operations.exceptions import OperationGone
from operations.intake import retry
from operations.lifecycle import request_cancel
from operations.models import Operation, OperationQuerySet
from operations.request_origin import requester_of
from operations.states import ACTIVE_VALUES, FINISHED_VALUES, Status

router = Router(tags=["operations"])


def _wanted(rows: OperationQuerySet, wanted: schemas.OperationFilter) -> OperationQuerySet:
    if wanted.status is not None:
        rows = rows.filter(status=wanted.status)
    if wanted.active is not None:
        rows = rows.active() if wanted.active else rows.finished()
    if wanted.kind is not None:
        rows = rows.filter(kind=wanted.kind)
    if wanted.target is not None:
        kind, _, key = wanted.target.partition(":")
        rows = rows.of(kind, key) if key else rows.filter(target_type=kind)
    if wanted.requested_by is not None:
        rows = rows.filter(requester=wanted.requested_by)
    if wanted.batch is not None:
        rows = rows.filter(batch=wanted.batch)
    return rows


@router.get("", response=schemas.OperationList, summary="Operations, newest first")
def list_operations(
    request: HttpRequest, wanted: Query[schemas.OperationFilter], page: Query[Page]
) -> dict[str, Any]:
    """Two queries. A target is ``service:backend``, or ``service`` for all of that type."""
    demand(request.user, "view", Operation)
    rows = _wanted(Operation.objects.all(), wanted)
    return {"count": rows.count(), "items": [row.public() for row in page.cut(rows)]}


@router.get("/stats", response=schemas.OperationStats, summary="Counts and durations")
def stats(request: HttpRequest) -> dict[str, Any]:
    """Over what is kept: finished operations are purged after a time. Three queries."""
    demand(request.user, "view", Operation)
    statuses = dict.fromkeys((status.value for status in Status), 0)
    statuses |= dict(Operation.objects.order_by().values_list("status").annotate(Count("id")))
    kinds = dict(Operation.objects.order_by("kind").values_list("kind").annotate(Count("id")))
    ran = ExpressionWrapper(F("finished_at") - F("started_at"), output_field=DurationField())
    figures = Operation.objects.order_by().aggregate(
        average=Avg(ran), longest=Max(ran), oldest=Min("created_at")
    )
    ended = sum(statuses[status] for status in FINISHED_VALUES)
    return {
        "total": sum(statuses.values()),
        "active": sum(statuses[status] for status in ACTIVE_VALUES),
        "by_status": statuses,
        "by_kind": kinds,
        "success_rate": round(statuses[Status.SUCCESS] / ended, 4) if ended else None,
        "duration_seconds": {
            name: round(figures[name].total_seconds(), 3) if figures[name] is not None else None
            for name in ("average", "longest")
        },
        "oldest": iso(figures["oldest"]),
    }


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
