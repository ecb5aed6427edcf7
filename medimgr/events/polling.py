"""What a page asks for every few seconds where something on the way holds its stream back.

The same events to the same people as on a stream, without a place, a row or anything else kept for it.
"""

import logging
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from medimgr.events.exceptions import DatabaseAway, SignInFirst
from medimgr.events.models import Tick
from medimgr.events.replay import read_missed
from medimgr.events.terms import read_terms
from medimgr.events.topics import TICK_TOPIC, known, model_of, visible
from medimgr.lib.access import demand, demand_staff
from medimgr.lib.problem_response import problem_response
from medimgr.lib.problems import Problem
from medimgr.lib.units import iso

logger = logging.getLogger(__name__)


@require_GET
async def poll(request: HttpRequest) -> HttpResponse:
    """Return what happened after ``last_event_id``, and the measurements, as one JSON document.

    Takes and checks ``topics`` and ``page`` as a stream does, and refuses as it does. ``reset`` asks for a
    snapshot, since the log cannot tell all that was missed.
    """
    try:
        user = await request.auser()
        if not user.is_authenticated:
            raise SignInFirst("Sign in, then open the page again.")
        demand_staff(user)
        answer = JsonResponse(await sync_to_async(_news)(user, request.GET.dict()))
    except Problem as problem:
        return _refusal(problem)
    except (DatabaseError, InterfaceError) as error:
        logger.warning("A poll was refused, since the database did not answer: %s", error)
        return _refusal(DatabaseAway())
    answer["Cache-Control"] = "no-store"
    return answer


def _news(user: Any, query: dict[str, str]) -> dict[str, Any]:
    """Read it, in five queries at most beside those for permissions."""
    terms = read_terms(query, "")
    topics = visible(user, known()) if terms.topics is None else terms.topics
    for topic in sorted(topics):
        demand(user, "view", model_of(topic))
    missed = read_missed(topics, terms.since)
    ticks = Tick.objects.order_by("node") if TICK_TOPIC in topics else ()
    return {
        "events": [
            {"id": event_id, "topic": topic, "data": {**data, "key": key}}
            for event_id, topic, key, data in missed.rows
        ],
        "ticks": [{"node": tick.node, "at": iso(tick.at), "services": tick.data} for tick in ticks],
        "last_event_id": missed.position,
        "reset": missed.reset,
        "heartbeat_seconds": settings.MEDIMGR_STREAM_HEARTBEAT_SECONDS,
        "server_time": iso(timezone.now()),
        # Whatever came from it has just been read; where it is away, the answer is DatabaseAway.
        "database": "ok",
    }


def _refusal(problem: Problem) -> HttpResponse:
    response = problem_response(problem)
    if isinstance(problem, DatabaseAway):
        response["Retry-After"] = str(problem.retry_after)
    return response
