"""The JSON API for the list of open streams."""

from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router
from pydantic import BaseModel

from medimgr.events.models import Connection
from medimgr.events.schemas import ConnectionShape
from medimgr.events.stats import open_streams, shown
from medimgr.lib.access import demand
from medimgr.lib.api_parameters import Page, Text

router = Router(tags=["events"])


class ConnectionList(BaseModel):
    """Open streams, the newest first."""

    count: int
    items: list[ConnectionShape]


class ConnectionFilter(Page):
    """Which streams are wanted; all that is given has to fit."""

    user: Text | None = None
    address: Text | None = None


@router.get("", response=ConnectionList, summary="Open streams")
def list_connections(request: HttpRequest, wanted: Query[ConnectionFilter]) -> dict[str, Any]:
    """Who is watching: newest first. Two queries. ``/events/stats`` has them all, with figures."""
    demand(request.user, "view", Connection)
    now = timezone.now()
    rows = open_streams().order_by("-id")
    if wanted.user is not None:
        rows = rows.filter(user__username=wanted.user)
    if wanted.address is not None:
        rows = rows.filter(address=wanted.address)
    return {"count": rows.count(), "items": [shown(row, now) for row in wanted.cut(rows)]}
