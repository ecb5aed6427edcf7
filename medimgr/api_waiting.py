"""``Prefer: wait=10``: an action's answer waits until its operation, or its batch, has ended.

An answer that names an operation (``{"operation": ...}``) or a batch is marked where it is made; whether it
waits is decided here, for every door of the API alike. Meanwhile the request has no thread of its own:
:mod:`medimgr.asgi` lets those that wait share a few.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse

from medimgr.events.broadcaster import current
from medimgr.events.exceptions import DatabaseAway, ShuttingDown
from medimgr.lib.preferences import wait_seconds
from operations import following

logger = logging.getLogger(__name__)

LISTENS_KEY = "medimgr.listens"
"""Where the ASGI scope says that its loop outlives the request, so that somebody tells of events there."""
MOST_WAITING = 500
"""So many requests of a process wait at a time; those beyond are answered at once."""
# The request's deadline has to leave time for the answer.
_OF_THE_DEADLINE = 0.5
_FOLLOWED = "medimgr_followed"
_waiting = 0


@dataclass(frozen=True, slots=True)
class Followed:
    """What an answer is about, and the answer's body, which is brought up to date."""

    topic: str
    key: str
    body: dict[str, Any]
    inside: bool
    """Whether the body has it under its name beside other things; otherwise it is the body."""


def prefers_to_wait(path: str, headers: list[tuple[bytes, bytes]]) -> bool:
    """Return whether a request to ``path`` may take long since it asks to wait. Pure."""
    preferences = [value.decode("latin-1") for name, value in headers if name.lower() == b"prefer"]
    return path.startswith("/api/") and wait_seconds(",".join(preferences)) is not None


def mark(response: HttpResponse, data: Any, url_name: str) -> None:
    """Note on an answer what it is about, and name the address where that can be followed. No query."""
    followed = _followed(response.status_code, data, url_name)
    if followed is None:
        return
    setattr(response, _FOLLOWED, followed)
    if response.status_code == 202:
        response["Location"] = _address(followed)


def _followed(status: int, data: Any, url_name: str) -> Followed | None:
    if not isinstance(data, Mapping):
        return None
    body = dict(data)
    if status == 202 and isinstance(data.get("operation"), Mapping):
        return Followed("operation", str(data["operation"]["id"]), body, inside=True)
    if status == 202 and "batch" in data:
        batch = data["batch"]
        return Followed("batch", batch["id"] if isinstance(batch, Mapping) else batch, body, inside=True)
    if status == 200 and url_name in {"one_operation", "one_batch"}:
        return Followed(url_name.removeprefix("one_"), str(data["id"]), body, inside=False)
    return None


def _address(followed: Followed) -> str:
    if followed.topic == "operation":
        return reverse("api:one_operation", args=[int(followed.key)])
    return reverse("api:one_batch", args=[followed.key])


def is_to_wait(request: HttpRequest, response: HttpResponseBase) -> bool:
    """Return whether the client would rather have ``response`` once what it is about has ended. No query."""
    return hasattr(response, _FOLLOWED) and wait_seconds(request.headers.get("Prefer", "")) is not None


async def waited(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Return ``response`` as it is once what it is about has ended, or the time is over.

    For one that :func:`is_to_wait`. An action answers 200 instead of 202 where it has ended. Cancelling this
    costs nothing. Two queries (:mod:`operations.following`), one more for the operations of a batch.
    """
    global _waiting
    followed: Followed = getattr(response, _FOLLOWED)
    seconds = wait_seconds(request.headers.get("Prefer", ""))
    if _waiting >= MOST_WAITING or seconds is None or not isinstance(response, HttpResponse):
        return response
    _waiting += 1
    try:
        await _bring_up_to_date(request, response, followed, seconds)
    except Exception:
        # It has been accepted, and a 500 would say the opposite.
        logger.exception("the end of %s %s could not be waited for", followed.topic, followed.key)
        return response
    finally:
        _waiting -= 1
    response.headers["Preference-Applied"] = f"wait={seconds}"
    return response


async def _bring_up_to_date(
    request: HttpRequest, response: HttpResponse, followed: Followed, seconds: int
) -> None:
    patience = min(seconds, settings.MEDIMGR_REQUEST_DEADLINE_SECONDS * _OF_THE_DEADLINE)
    listening = await _listening(request)
    if followed.topic == "operation":
        seen = await following.wait_for_operation(int(followed.key), patience, listening)
    else:
        seen = await following.wait_for_batch(followed.key, patience, listening)
    if seen is None:  # purged, or the database is away: what was told is all that can be told
        return
    body = followed.body
    if not followed.inside:
        body = seen.body
    elif followed.topic == "operation":
        body["operation"] = seen.body
    else:
        if "operations" in body:
            body["operations"] = await sync_to_async(following.look_at_operations)(followed.key)
        body["state" if "state" in body else "batch"] = seen.body
    response.content = json.dumps(body)
    if seen.ended:
        response.status_code = 200


async def _listening(request: HttpRequest) -> following.Listening | None:
    scope: dict[str, Any] = getattr(request, "scope", None) or {}
    if not scope.get(LISTENS_KEY):
        return None
    broadcaster = current()
    try:
        await broadcaster.ready()
    except (DatabaseAway, ShuttingDown):
        return None
    return broadcaster
