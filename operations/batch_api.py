"""The JSON API for batches: how far one is; cancel it, ask again for what failed of it."""

from typing import Any

from django.http import HttpRequest
from ninja import Query, Router
from ninja.responses import Status as Answer

from medimgr.lib.access import demand
from medimgr.lib.api_parameters import IdempotencyKey
from operations import batch_schemas
from operations.batch_actions import called, cancel_batch, retry_batch
from operations.batches import public, public_to
from operations.models import Batch, Operation
from operations.request_origin import requester_of

router = Router(tags=["operations"])


@router.get("", response=batch_schemas.BatchList, summary="Batches, newest first")
def list_batches(request: HttpRequest, wanted: Query[batch_schemas.BatchFilter]) -> dict[str, Any]:
    """Those that are kept: they go with their operations. Two queries."""
    demand(request.user, "view", Operation)
    rows = Batch.objects.visible_to(request.user).order_by("-created_at", "-id")
    if wanted.active is not None:
        rows = rows.filter(finished_at__isnull=wanted.active)
    if wanted.kind:
        rows = rows.filter(kind=wanted.kind)
    if wanted.requested_by:
        rows = rows.filter(requester=wanted.requested_by)
    return {"count": rows.count(), "items": [public_to(request.user, row) for row in wanted.cut(rows)]}


@router.get("/{batch_id}", response=batch_schemas.BatchShape, summary="How far a batch is")
def one_batch(request: HttpRequest, batch_id: str) -> dict[str, Any]:
    """One query. Its operations: ``GET /api/operations?batch=``."""
    demand(request.user, "view", Operation)
    return public_to(request.user, called(batch_id, request.user))


@router.post("/{batch_id}/cancel", response={202: batch_schemas.BatchCancelled}, summary="Cancel all of it")
def cancel(request: HttpRequest, batch_id: str, idempotency_key: IdempotencyKey) -> Answer[dict[str, Any]]:
    """What waits ends at once; what runs ends at its next check, or as SUCCESS if it finishes first.

    With an Idempotency-Key what you have cancelled already is no error.
    """
    demand(request.user, "cancel", Operation)
    batch = called(batch_id, request.user)
    outcome = cancel_batch(batch, requester_of(request, "api"), again=bool(idempotency_key))
    return Answer(
        202, {"batch": public_to(request.user, batch), "ended": outcome.ended, "asked": outcome.asked}
    )


@router.post(
    "/{batch_id}/retry", response={202: batch_schemas.BatchAsked}, summary="Ask again for what failed"
)
def ask_again(request: HttpRequest, batch_id: str, idempotency_key: IdempotencyKey) -> Answer[dict[str, Any]]:
    """A new batch of what failed or timed out and has not been asked for again yet."""
    demand(request.user, "retry", Operation)
    asked = retry_batch(
        called(batch_id, request.user),
        requester_of(request, "api"),
        idempotency_key=idempotency_key or "",
    )
    operations = [operation.public() for operation in asked.operations]
    return Answer(202, {"batch": public(asked.batch), "operations": operations})
