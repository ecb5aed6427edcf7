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

from medimgr.accounts.bearer import bearer_token, holder_of
from medimgr.events.exceptions import DatabaseAway, SignInFirst
from medimgr.events.models import Tick
from medimgr.events.replay import read_missed
from medimgr.events.sight import Sight, look
from medimgr.events.terms import read_terms
from medimgr.events.topics import TICK_TOPIC, known, model_of, visible
from medimgr.lib.access import demand, demand_staff, scope_of
from medimgr.lib.log_context import token_name, user_name
from medimgr.lib.problem_response import problem_response
from medimgr.lib.problems import Problem
from medimgr.lib.request_address import address_of
from medimgr.lib.scope import Scope
from medimgr.lib.units import iso

logger = logging.getLogger(__name__)


@require_GET
async def poll(request: HttpRequest) -> HttpResponse:
    """Return what happened after ``last_event_id``, and the measurements, as one JSON document.

    Takes and checks ``topics`` and ``page`` as a stream does, and refuses as it does. ``reset`` asks for a
    snapshot, since the log cannot tell all that was missed.
    """
    try:
        user = await _asking(request)
        demand_staff(user)
        answer = JsonResponse(await sync_to_async(_news)(user, request.GET.dict()))
    except Problem as problem:
        return _refusal(problem)
    except (DatabaseError, InterfaceError) as error:
        logger.warning("A poll was refused, since the database did not answer: %s", error)
        return _refusal(DatabaseAway())
    answer["Cache-Control"] = "no-store"
    return answer


async def _asking(request: HttpRequest) -> Any:
    """Return the user who asks. With a token it is the token that counts, whatever cookie comes with it."""
    token = bearer_token(request.headers.get("Authorization", ""))
    if token is not None:
        holder = await sync_to_async(holder_of)(token, timezone.now(), address_of(request))
        user_name.set(holder.user.get_username())
        token_name.set(holder.limits.token)
        return holder.user
    user = await request.auser()
    if not user.is_authenticated:
        raise SignInFirst("Sign in, then open the page again.")
    return user


def _news(user: Any, query: dict[str, str]) -> dict[str, Any]:
    """Read it, in six queries at most beside those for permissions; two more for who is limited."""
    terms = read_terms(query, "")
    topics = visible(user, known()) if terms.topics is None else terms.topics
    for topic in sorted(topics):
        demand(user, "view", model_of(topic))
    scope = scope_of(user)
    missed = read_missed(topics, terms.since, scope)
    ticks = _measured(scope) if TICK_TOPIC in topics else []
    return {
        "events": [
            {"id": event_id, "topic": topic, "data": {**data, "key": key}}
            for event_id, topic, key, data in missed.rows
        ],
        "ticks": ticks,
        "last_event_id": missed.position,
        "reset": missed.reset,
        "heartbeat_seconds": settings.MEDIMGR_STREAM_HEARTBEAT_SECONDS,
        "server_time": iso(timezone.now()),
        # Whatever came from it has just been read; where it is away, the answer is DatabaseAway.
        "database": "ok",
    }


def _measured(scope: Scope) -> list[dict[str, Any]]:
    """Return the measurements of all nodes, as far as somebody with ``scope`` may know of them."""
    sight = Sight()
    if scope.hides_something:
        sight.take(look())
    parts = ((tick, sight.part_of(scope, tick.data)) for tick in Tick.objects.order_by("node"))
    return [{"node": tick.node, "at": iso(tick.at), "services": part} for tick, part in parts if part]


def _refusal(problem: Problem) -> HttpResponse:
    response = problem_response(problem)
    if isinstance(problem, DatabaseAway):
        response["Retry-After"] = str(problem.retry_after)
    return response
