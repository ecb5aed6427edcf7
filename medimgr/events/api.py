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

from medimgr.events import connections, schemas, traffic
from medimgr.events.log import last_event_id, publish
from medimgr.events.models import Connection, Event, StreamWorker
from medimgr.lib.access import demand
from medimgr.lib.units import iso

router = Router(tags=["events"])

TEST_KEY = "test"
HOUR = timedelta(hours=1)
WORKER_SILENT_AFTER = timedelta(seconds=30)


@router.get("/stats", response=schemas.StreamStats, summary="Open streams, by user and worker")
def stats(request: HttpRequest) -> dict[str, Any]:
    """Five queries, however many streams are open."""
    demand(request.user, "view", Connection)
    now = timezone.now()
    rows = list(Connection.objects.select_related("user", "worker"))
    peak, ended = _peak(), _ended()
    sent = traffic.within_hour(now)
    plain = sent.bytes + sent.saved
    return {
        "total": len(rows),
        "peak": max(peak, len(rows)),
        "events_sent_last_hour": sent.events,
        "bytes_sent_last_hour": sent.bytes,
        "bytes_saved_last_hour": sent.saved,
        "saved_percent": round(100 * sent.saved / plain, 1) if plain else 0.0,
        "events_published_last_hour": Event.objects.filter(at__gte=now - HOUR).count(),
        "by_user": dict(Counter(row.user.get_username() for row in rows)),
        "by_worker": dict(Counter(str(row.worker) for row in rows)),
        "disconnects": sum(ended.values()),
        "disconnects_by_reason": ended,
        "limit": settings.MEDIMGR_STREAM_MAX_CONNECTIONS,
        "limit_per_address": settings.MEDIMGR_STREAM_MAX_PER_ADDRESS,
        "connections": [_shown(row, now) for row in rows],
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
    """Two queries."""
    demand(request.user, "view", Connection)
    now = timezone.now()
    workers = list(StreamWorker.objects.annotate(open_streams=Count("connections")).order_by("node", "pid"))
    alive = [worker for worker in workers if now - worker.seen_at < WORKER_SILENT_AFTER]
    total = sum(worker.open_streams for worker in workers)
    newest = Event.objects.order_by("-id").first()
    status, reason = _verdict(len(workers), len(alive), total)
    return {
        "status": status,
        "reason": reason,
        "workers": [
            {
                "worker": str(worker),
                "started_at": iso(worker.started_at),
                "seen_at": iso(worker.seen_at),
                "alive": worker in alive,
                "connections": worker.open_streams,
            }
            for worker in workers
        ],
        "connections": total,
        "limit": settings.MEDIMGR_STREAM_MAX_CONNECTIONS,
        "heartbeat_seconds": settings.MEDIMGR_STREAM_HEARTBEAT_SECONDS,
        "last_event_id": newest.pk if newest else 0,
        "last_event_at": iso(newest.at) if newest else None,
    }


def _verdict(workers: int, alive: int, total: int) -> tuple[str, str]:
    if not workers:
        return "idle", "No web worker serves streams yet; each reports with its first one."
    if not alive:
        return "silent", "The web workers that served streams have stopped reporting. Check manage.py up."
    if total >= settings.MEDIMGR_STREAM_MAX_CONNECTIONS:
        return "full", f"All {total} places are taken. Raise MEDIMGR_STREAM_MAX_CONNECTIONS or close pages."
    return "ok", ""
