"""The JSON API for streams: who is watching, and whether watching works."""

from typing import Any

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from ninja import Router

from medimgr.audit.recording import record
from medimgr.events import connections, schemas
from medimgr.events.log import last_event_id, publish
from medimgr.events.models import Connection, Event
from medimgr.events.stats import connection_stats
from medimgr.events.survey import Standing, Survey
from medimgr.events.verdict import judge
from medimgr.lib.access import demand
from medimgr.lib.request_address import address_of
from medimgr.lib.request_source import source_of
from medimgr.lib.units import iso

router = Router(tags=["events"])

TEST_KEY = "test"


@router.get("/stats", response=schemas.StreamStats, summary="Open streams, and how well they do")
def stats(request: HttpRequest) -> dict[str, Any]:
    """Seven queries, however many streams are open."""
    demand(request.user, "view", Connection)
    return connection_stats(timezone.now())


@router.post("/connections/{connection_id}/kick", response=schemas.Kicked, summary="End one stream")
def kick_one(request: HttpRequest, connection_id: int) -> dict[str, int]:
    """Its page says so and does not come back by itself. One that has ended meanwhile is no error."""
    demand(request.user, "kick", Connection)
    return {"ended": connections.kick(request.user, **_from(request), pk=connection_id)}


@router.post("/kick", response=schemas.Kicked, summary="End all streams of an account")
def kick_all_of(request: HttpRequest, body: schemas.Kick) -> dict[str, int]:
    """For good only together with its sessions: whoever is logged in may open the page again."""
    demand(request.user, "kick", Connection)
    return {"ended": connections.kick(request.user, **_from(request), user__username=body.user)}


@router.post("/test", response=schemas.TestEvent, summary="Send a test event")
def send_test_event(request: HttpRequest) -> dict[str, int]:
    """Through the log and every web worker to every page that follows connections: does it arrive?"""
    demand(request.user, "probe", Connection)
    name = request.user.get_username()
    with transaction.atomic():
        record("stream.test", who=name, user=request.user, **_from(request))
        publish("connection", TEST_KEY, {"test": True, "by": name})
        return {"event_id": last_event_id()}


@router.get("/health", response=schemas.StreamHealth, summary="Whether streams can be served")
def stream_health(request: HttpRequest) -> dict[str, Any]:
    """Two queries; one more before there is any worker."""
    demand(request.user, "view", Connection)
    survey = Survey.take()
    newest = Event.objects.order_by("-id").first()
    verdict = judge(survey, settings.MEDIMGR_STREAM_MAX_CONNECTIONS)
    return {
        "status": verdict.status,
        "reason": verdict.reason,
        "findings": [{"code": finding.code, "words": finding.words} for finding in verdict.findings],
        "workers": [_worker(standing) for standing in survey.workers],
        "connections": survey.streams,
        "pages": survey.pages,
        "limit": settings.MEDIMGR_STREAM_MAX_CONNECTIONS,
        "heartbeat_seconds": settings.MEDIMGR_STREAM_HEARTBEAT_SECONDS,
        "last_event_id": newest.pk if newest else 0,
        "last_event_at": iso(newest.at) if newest else None,
    }


def _from(request: HttpRequest) -> dict[str, Any]:
    """Return by what way and from where it was asked, as the audit has it."""
    return {"source": source_of(request), "address": address_of(request)}


def _worker(standing: Standing) -> dict[str, Any]:
    return {
        "worker": standing.name,
        "started_at": iso(standing.started_at),
        "seen_at": iso(standing.seen_at),
        "alive": standing.alive,
        "connections": standing.streams,
        "pages": standing.pages,
        "queued_bytes": standing.now.get("queued_bytes", 0),
        "reader": {name: standing.now.get(name) for name in ("lag_events", "lag_seconds", "silent_seconds")},
    }
