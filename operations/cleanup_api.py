"""The JSON API for the deletion of finished operations."""

from typing import Any

from django.http import HttpRequest
from ninja import Query, Router
from ninja.responses import Status as Answer
from pydantic import BaseModel, Field

from medimgr.lib.access import demand_everywhere
from medimgr.lib.api_parameters import IdempotencyKey, Text
from operations.models import Operation
from operations.purge_operation import ask_for_purge
from operations.request_origin import requester_of
from operations.schemas import OperationAnswer

router = Router(tags=["operations"])


class Kept(BaseModel):
    """What stays. Texts, so that a bad value is told in the words of the command."""

    keep_hours: Text = Field("1", description="Hours: what ended within them stays. At least 0.")
    keep_per_target: Text = Field("0", description="So many of each target stay, the newest. 0 to 10000.")


@router.delete("/cleanup", response={202: OperationAnswer}, summary="Delete finished operations")
def cleanup(
    request: HttpRequest, kept: Query[Kept], idempotency_key: IdempotencyKey
) -> Answer[dict[str, Any]]:
    """An operation that deletes those that ended long enough ago; follow and cancel it like any other.

    Never one that waits or runs. ``target-busy`` where another such deletion is under way.
    """
    demand_everywhere(request.user, "purge", Operation)
    asked = ask_for_purge(
        requester_of(request, "api"),
        idempotency_key=idempotency_key or "",
        keep_hours=kept.keep_hours,
        keep_per_target=kept.keep_per_target,
    )
    return Answer(202, {"operation": asked.public()})
