"""The JSON API for streams: who is watching, and whether watching works."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Count, IntegerField, Max
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast
from django.http import HttpRequest
from django.utils import timezone
from ninja import Router

from medimgr.events import connections, quality, schemas, traffic
from medimgr.events.figures import KINDS
from medimgr.events.log import last_event_id, publish
from medimgr.events.models import Connection, Event
from medimgr.events.survey import Standing, Survey
from medimgr.events.verdict import judge
from medimgr.lib.access import demand
from medimgr.lib.units import iso

router = Router(tags=["events"])

TEST_KEY = "test"
HOUR = timedelta(hours=1)


@router.get("/stats", response=schemas.StreamStats, summary="Open streams, and how well they do")
def stats(request: HttpRequest) -> dict[str, Any]:
    """Six queries, however many streams are open."""
    demand(request.user, "view", Connection)
    now = timezone.now()
    rows = list(Connection.objects.select_related("user", "worker"))
    peak, ended = _peak(), _ended()
    survey = Survey.take()
    limit = settings.MEDIMGR_STREAM_MAX_CONNECTIONS
    verdict = judge(survey, limit)
    return {
        "total": len(rows),
        "pages": sum(row.pages for row in rows),
        "peak": max(peak, len(rows)),
        "pool": {
            "used": len(rows),
            "free": max(0, limit - len(rows)),
            "limit": limit,
            "limit_per_address": settings.MEDIMGR_STREAM_MAX_PER_ADDRESS,
            "by_address": dict(Counter(row.address for row in rows).most_common()),
        },
        "health": {"status": verdict.status, "reason": verdict.reason},
        **_sent_within_hour(now),
        **_quality(survey),
        "by_user": dict(Counter(row.user.get_username() for row in rows).most_common()),
        "by_worker": dict(Counter(str(row.worker) for row in rows).most_common()),
        "disconnects": sum(ended.values()),
        "disconnects_by_reason": ended,
        "limit": limit,
        "limit_per_address": settings.MEDIMGR_STREAM_MAX_PER_ADDRESS,
        "connections": [_shown(row, now) for row in rows],
    }


def _sent_within_hour(now: datetime) -> dict[str, Any]:
    sent = traffic.within_hour(now)
    plain = sent.bytes + sent.saved
    return {
        "events_sent_last_hour": sent.events,
        "bytes_sent_last_hour": sent.bytes,
        "bytes_saved_last_hour": sent.saved,
        "saved_percent": round(100 * sent.saved / plain, 1) if plain else 0.0,
        "events_published_last_hour": Event.objects.filter(at__gte=now - HOUR).count(),
    }


def _quality(survey: Survey) -> dict[str, Any]:
    counted, recent = survey.counted, survey.recent
    return {
        "queued_bytes": sum(worker.now.get("queued_bytes", 0) for worker in survey.workers),
        "latency_ms": {
            "recent": quality.durations(recent.get("latency", {})),
            "ever": quality.durations(counted.get("latency", {})),
        },
        "errors": {"recent": quality.errors(recent), "ever": quality.errors(counted)},
        "compression": quality.compression(counted),
        "delivered": {kind: counted.get("messages", {}).get(kind, 0) for kind in KINDS},
        "replays": counted.get("replays", 0),
        "replayed_events": counted.get("replayed_events", 0),
        "resets": counted.get("resets", 0),
        "reader": _furthest_behind(survey),
    }


def _furthest_behind(survey: Survey) -> dict[str, Any]:
    told = [worker.now for worker in survey.workers if worker.alive and "lag_events" in worker.now]
    return {
        name: max((now[name] for now in told), default=0)
        for name in ("lag_events", "lag_seconds", "silent_seconds")
    }


def _peak() -> int:
    # Every connect and disconnect is an event, with the number of open streams after it.
    total = Cast(KeyTextTransform("total", "data"), IntegerField())
    return Event.objects.filter(topic="connection").aggregate(peak=Max(total))["peak"] or 0


def _ended() -> dict[str, int]:
    ends = Event.objects.filter(topic="connection", data__connected=False)
    reasons = ends.order_by().annotate(why=KeyTextTransform("reason", "data")).values_list("why")
    return {why or "unknown": count for why, count in reasons.annotate(count=Count("id"))}


def _shown(row: Connection, now: datetime) -> dict[str, Any]:
    return {
        "id": row.pk,
        "user": row.user.get_username(),
        "address": row.address,
        "page": row.page,
        "topics": row.topics,
        "connected_at": iso(row.connected_at),
        "duration_seconds": round(row.duration_seconds(now), 3),
        "last_ping_at": iso(row.last_ping_at),
        "events_sent": row.events_sent,
        "bytes_sent": row.bytes_sent,
        "queued": row.queued,
        "pages": row.pages,
        "worker": str(row.worker),
    }


@router.post("/connections/{connection_id}/kick", response=schemas.Kicked, summary="End one stream")
def kick_one(request: HttpRequest, connection_id: int) -> dict[str, int]:
    """Its page says so and does not come back by itself. One that has ended meanwhile is no error."""
    demand(request.user, "kick", Connection)
    return {"ended": connections.kick(request.user, pk=connection_id)}


@router.post("/kick", response=schemas.Kicked, summary="End all streams of an account")
def kick_all_of(request: HttpRequest, body: schemas.Kick) -> dict[str, int]:
    """For good only together with its sessions: whoever is logged in may open the page again."""
    demand(request.user, "kick", Connection)
    return {"ended": connections.kick(request.user, user__username=body.user)}


@router.post("/test", response=schemas.TestEvent, summary="Send a test event")
def send_test_event(request: HttpRequest) -> dict[str, int]:
    """Through the log and every web worker to every page that follows connections: does it arrive?"""
    demand(request.user, "probe", Connection)
    with transaction.atomic():
        publish("connection", TEST_KEY, {"test": True, "by": request.user.get_username()})
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
