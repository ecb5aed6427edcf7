"""Who is watching, and how well that works: all in one, for the API and the page of connections."""

from collections import Counter
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.db.models import Count, IntegerField, Max, QuerySet
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast
from django.urls import Resolver404, resolve

from medimgr.events import quality, traffic
from medimgr.events.figures import KINDS
from medimgr.events.models import Connection, Event
from medimgr.events.survey import Survey
from medimgr.events.verdict import judge
from medimgr.lib.units import iso

HOUR = timedelta(hours=1)


def open_streams() -> QuerySet[Connection]:
    """Return the rows of open streams with user and worker. One query; not the worker's figures with each."""
    return Connection.objects.select_related("user", "worker").defer("worker__figures")


def connection_stats(now: datetime) -> dict[str, Any]:
    """Return the shape of ``schemas.StreamStats``. Seven queries, however many streams are open."""
    rows = list(open_streams())
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
        "connections": [shown(row, now) for row in rows],
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


def shown(row: Connection, now: datetime) -> dict[str, Any]:
    """Return one open stream for clients: all but its token. No query where user and worker are at hand."""
    return {
        "id": row.pk,
        "user": row.user.get_username(),
        "address": row.address,
        "machine_token": row.machine_token,
        "page": row.page,
        "kind": kind_of(row.page),
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


@lru_cache(maxsize=1024)
def kind_of(page: str) -> str:
    """Return which page an address is of, by the name of its view: empty for none of medimgr's. No query."""
    try:
        return resolve(page.partition("?")[0]).view_name
    except (Resolver404, ValueError):
        return ""
