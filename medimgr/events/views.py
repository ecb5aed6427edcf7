"""The stream, and the notice by which a page that goes away ends it."""

import logging
import re
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

from medimgr.accounts.bearer import bearer_token
from medimgr.events import connections, figures
from medimgr.events.admission import Applicant
from medimgr.events.broadcaster import current
from medimgr.events.encoding import chosen
from medimgr.events.exceptions import NeedsAsgi, ShuttingDown, SignInFirst
from medimgr.events.models import new_token
from medimgr.events.opening import Opening
from medimgr.events.response import EventStreamResponse
from medimgr.events.subscription import End
from medimgr.events.terms import read_terms
from medimgr.events.topics import known
from medimgr.lib.log_context import note_who, token_name, user_name
from medimgr.lib.problem_response import problem_response
from medimgr.lib.problems import Problem
from medimgr.lib.request_address import address_of

logger = logging.getLogger(__name__)

_SESSION_KEY = re.compile("[a-z0-9]{8,40}")
"""As Django makes them. Anything else would be no session, and PostgreSQL refuses some of it."""
STREAM_KEY = "medimgr.stream"
"""Where the ASGI scope names the subscription, so that :mod:`medimgr.asgi` can end it in every case."""
_LONGEST_NOTICE = 4096
_LONGEST_TOKEN = 64


@require_GET
async def stream(request: HttpRequest) -> HttpResponseBase:
    """Open a stream: sign-in, permission per topic, a place under the limits, replay, and on from there.

    Refusals are ``application/problem+json`` without a redirect, which an EventSource could not use. Needs no
    middleware: who it is that asks is found out together with all others who ask at the moment.
    """
    try:
        return await _open(request)
    except Problem as problem:
        return _refusal(problem)


async def _open(request: HttpRequest) -> EventStreamResponse:
    scope: dict[str, Any] | None = getattr(request, "scope", None)
    if scope is None:
        raise NeedsAsgi
    terms = read_terms(request.GET.dict(), request.headers.get("Last-Event-ID", ""))
    broadcaster = current()
    await broadcaster.ready()
    bearer = bearer_token(request.headers.get("Authorization", ""))
    session_key = request.COOKIES.get(settings.SESSION_COOKIE_NAME, "") if bearer is None else ""
    if bearer is None and not _SESSION_KEY.fullmatch(session_key):
        raise SignInFirst("Sign in, then open the page again.")
    # Subscribed first and read second: what is published in between is in both, never in neither.
    subscription = broadcaster.subscribe(
        new_token(),
        known() if terms.topics is None else terms.topics,
        chosen(request.headers.get("Accept-Encoding", "")),
    )
    scope[STREAM_KEY] = subscription
    applicant = Applicant(subscription, session_key, address_of(request), terms, request.GET.dict(), bearer)
    try:
        opening = await broadcaster.desk.admit(applicant)
        _note_who(opening)
        broadcaster.admit(subscription, opening)
        if subscription.ended is not None:
            raise ShuttingDown
    except BaseException:  # cancellation included: the client may leave while we ask the database
        subscription.lose()
        raise
    return EventStreamResponse(broadcaster, subscription)


def _note_who(opening: Opening) -> None:
    """Let the log know whose stream it is; no middleware has."""
    holder = opening.listener.holder
    user_name.set(opening.user_name)
    token_name.set("" if holder is None else holder.limits.token)
    note_who()


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
