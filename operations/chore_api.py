"""The JSON API for chores: how each went; have one done now."""

import logging
from typing import Any

from django.db import transaction
from django.http import HttpRequest
from ninja import Query, Router
from ninja.responses import Status as Answer
from pydantic import BaseModel, Field

from medimgr.lib.access import demand
from medimgr.lib.api_parameters import Page
from operations import chores
from operations.auditing import record_act
from operations.chore_rows import Standing, attention, chore_row, chore_rows
from operations.models import ChoreRun
from operations.request_origin import requester_of

logger = logging.getLogger(__name__)

router = Router(tags=["operations"])


class ChoreShape(BaseModel):
    """One piece of periodic work."""

    name: str
    does: str
    every_seconds: float
    standing: Standing
    owner: str = Field(description="The worker that does it now; empty: nobody.")
    started_at: str | None
    finished_at: str | None
    took_seconds: float | None = Field(description="How long its last run took.")
    next_at: str | None
    result: str
    error: str
    failures: int = Field(description="How many runs have failed in a row.")


class ChoreList(BaseModel):
    """All chores by name, and what is wrong with them."""

    count: int
    items: list[ChoreShape]
    attention: list[str]


class ChoreAnswer(BaseModel):
    """The chore that is to be done now."""

    chore: ChoreShape


@router.get("", response=ChoreList, summary="Periodic work")
def list_chores(request: HttpRequest, page: Query[Page]) -> dict[str, Any]:
    """By name. One query."""
    demand(request.user, "view", ChoreRun)
    rows = chore_rows()
    return {"count": len(rows), "items": page.cut(rows), "attention": attention(rows)}


@router.post("/{name}/run", response={202: ChoreAnswer}, summary="Have it done now")
def run(request: HttpRequest, name: str) -> Answer[dict[str, Any]]:
    """Takes the permission to change a chore's run. The next operations worker that looks does it."""
    demand(request.user, "change", ChoreRun)
    requester = requester_of(request, "api")
    with transaction.atomic():
        row = chores.run_now(name)
        record_act(requester, "chore.run", target=f"chore:{name}", outcome="asked")
    logger.info("chore %s: %s asked for a run now", name, requester.name)
    return Answer(202, {"chore": chore_row(chores.all_chores()[name], row)})
