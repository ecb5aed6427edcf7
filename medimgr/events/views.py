"""The stream, and the notice by which a page that goes away ends it."""

import logging
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from medimgr.events import connections, figures, sources
from medimgr.events.broadcaster import current
from medimgr.events.connections import Arrival
from medimgr.events.encoding import chosen
from medimgr.events.exceptions import DatabaseAway, NeedsAsgi, ShuttingDown, SignInFirst, StreamRefused
from medimgr.events.models import new_token
from medimgr.events.replay import read_replay
from medimgr.events.response import EventStreamResponse
from medimgr.events.subscription import End, Listener, Opening, Subscription
from medimgr.events.terms import Terms, read_terms
from medimgr.events.topics import known, model_of, visible
from medimgr.lib.access import demand, demand_staff
from medimgr.lib.client_address import client_address
from medimgr.lib.problem_response import problem_response
from medimgr.lib.problems import Problem

logger = logging.getLogger(__name__)

STREAM_KEY = "medimgr.stream"
"""Where the ASGI scope names the subscription, so that :mod:`medimgr.asgi` can end it in every case."""
_LONGEST_NOTICE = 4096
_LONGEST_TOKEN = 64


@require_GET
async def stream(request: HttpRequest) -> HttpResponseBase:
    """Open a stream: sign-in, permission per topic, a place under the limits, replay, and on from there.

    Refusals are ``application/problem+json`` without a redirect, which an EventSource could not use.
    """
    try:
        return await _open(request)
    except Problem as problem:
        return _refusal(problem)
    except (DatabaseError, InterfaceError) as error:
        logger.warning("A stream was refused, since the database did not answer: %s", error)
        return _refusal(DatabaseAway())


async def _open(request: HttpRequest) -> EventStreamResponse:
    scope: dict[str, Any] | None = getattr(request, "scope", None)
    if scope is None:
        raise NeedsAsgi
    user = await request.auser()
    if not user.is_authenticated:
        raise SignInFirst("Sign in, then open the page again.")
    demand_staff(user)  # whom no topic's permission would ask, where no topic is wanted
    terms = read_terms(request.GET.dict(), request.headers.get("Last-Event-ID", ""))
    broadcaster = current()
    await broadcaster.ready()
    topics = await sync_to_async(visible)(user, known()) if terms.topics is None else terms.topics
    # Subscribed first and read second: what is published in between is in both, never in neither.
    encoding = chosen(request.headers.get("Accept-Encoding", ""))
    subscription = broadcaster.subscribe(new_token(), topics, encoding)
    scope[STREAM_KEY] = subscription
    try:
        opening = await sync_to_async(_admit)(request, user, terms, subscription)
        broadcaster.admit(subscription, opening)
        if subscription.ended is not None:
            raise ShuttingDown
    except BaseException:  # cancellation included: the client may leave while we ask the database
        subscription.lose()
        raise
    return EventStreamResponse(broadcaster, subscription)


def _admit(request: HttpRequest, user: Any, terms: Terms, subscription: Subscription) -> Opening:
    """Check what the user may see, take a place, read the replay. In the request's thread."""
    for topic in sorted(subscription.topics):
        demand(user, "view", model_of(topic))
    wanted = tuple(sources.open_wanted(user, request.GET.dict()))
    arrival = Arrival(
        token=subscription.token,
        user=user,
        address=client_address(
            request.META.get("REMOTE_ADDR", ""),
            request.headers.get("X-Forwarded-For", ""),
            settings.MEDIMGR_TRUSTED_PROXIES,
        ),
        page=terms.page,
        topics=sorted(subscription.topics),
    )
    subscription.has_row = True
    try:
        connection = connections.take_place(arrival)
    except StreamRefused:
        subscription.has_row = False
        raise
    replay = read_replay(subscription.topics, terms.since)
    if subscription.ended is not None:
        # The client left meanwhile, and the row may have come after its removal.
        connections.give_back({subscription.token: subscription.ended})
    rights = {("view", model_of(topic)) for topic in subscription.topics}
    for source in wanted:
        rights |= source.rights
    return Opening(
        connection=connection,
        position=replay.position,
        since=replay.since,
        replay=replay.events,
        reset=replay.reset,
        listener=Listener(
            user_id=user.pk,
            session_key=request.session.session_key or "",
            auth_hash=user.get_session_auth_hash(),
            rights=frozenset(rights),
        ),
        sources=wanted,
    )


def _refusal(problem: Problem) -> HttpResponse:
    figures.of_this_process.refused(problem.code)
    response = problem_response(problem)
    retry_after = getattr(problem, "retry_after", None)
    if retry_after is not None:
        response["Retry-After"] = str(retry_after)
    # Meant as it is, and no accident: Django would log every one, a 503 as an error.
    response._has_been_logged = True  # type: ignore[attr-defined]
    logger.info("A stream was refused: %s", problem.code)
    return response


@csrf_exempt
@require_POST
async def disconnect(request: HttpRequest) -> HttpResponse:
    """End a stream by its ``connection_id``, which only its own page knows. Always 204, whatever comes.

    Takes a form field or the bare text, as ``navigator.sendBeacon`` sends either. Needs no session: the
    page may be leaving because of a logout. The row goes here; the worker that holds the stream hears of
    it through the event log.
    """
    token = await sync_to_async(_named_token)(request)
    if token:
        try:
            await sync_to_async(connections.give_back)({token: End.BEACON})
        except (DatabaseError, InterfaceError) as error:
            logger.info("A goodbye could not be noted: %s", error)
    return HttpResponse(status=204)


def _named_token(request: HttpRequest) -> str:
    """Return the connection id in the body, empty where there is none that makes sense."""
    try:
        if request.content_type in {"multipart/form-data", "application/x-www-form-urlencoded"}:
            text = request.POST.get("connection_id", "")
        else:
            text = request.body[:_LONGEST_NOTICE].decode("ascii", errors="replace")
            text = text.strip().removeprefix("connection_id=")
    except (MultiPartParserError, RequestDataTooBig, UnreadablePostError, ValueError):
        return ""
    except Exception as error:  # Django has more ways to refuse a body, and none may answer but 204
        logger.info("A goodbye could not be read: %r", error)
        return ""
    return text if len(text) <= _LONGEST_TOKEN and text.isascii() and text.isprintable() else ""
