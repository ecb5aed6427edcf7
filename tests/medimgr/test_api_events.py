"""Facts about streams through the API: who is watching, and whether watching works."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from medimgr.events import traffic
from medimgr.events.figures import Figures
from medimgr.events.log import publish
from medimgr.events.models import Connection, DepartedFigures, Event, StreamWorker
from medimgr.events.traffic import Sent
from tests.api import client_of

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture
def viewer(bob: User) -> Client:
    return client_of(bob)


def make_worker(pid: int = 1, seen_ago: float = 0.0) -> StreamWorker:
    now = timezone.now()
    return StreamWorker.objects.create(
        node="n", pid=pid, start_ticks=1, started_at=now, seen_at=now - timedelta(seconds=seen_ago)
    )


def open_stream(user: User, worker: StreamWorker, page: str = "/monitoring/") -> Connection:
    now = timezone.now()
    return Connection.objects.create(
        worker=worker,
        user=user,
        address="127.0.0.1",
        page=page,
        topics=["service"],
        connected_at=now - timedelta(seconds=30),
        last_ping_at=now,
        events_sent=5,
        bytes_sent=700,
    )


def test_open_streams_are_listed_and_counted(viewer: Client, alice: User, bob: User) -> None:
    first, second = make_worker(1), make_worker(2)
    rows = [open_stream(alice, first), open_stream(alice, second), open_stream(bob, first)]
    body = viewer.get("/api/events/stats").json()
    assert body["total"] == 3
    assert body["by_user"] == {"alice": 2, "bob": 1}
    assert body["by_worker"] == {"n:1": 2, "n:2": 1}
    shown = body["connections"][0]
    assert set(shown) >= {
        "id", "user", "address", "page", "topics", "connected_at", "duration_seconds", "last_ping_at",
        "events_sent", "bytes_sent", "queued", "worker",
    }  # fmt: skip
    assert (shown["id"], shown["user"], shown["worker"]) == (rows[0].pk, "alice", "n:1")
    assert shown["duration_seconds"] == pytest.approx(30, abs=5)
    assert (shown["events_sent"], shown["bytes_sent"]) == (5, 700)


def test_the_token_is_nobody_s_business(viewer: Client, alice: User) -> None:
    row = open_stream(alice, make_worker())
    assert row.token not in viewer.get("/api/events/stats").content.decode()


def test_peak_and_disconnects_come_from_the_log(viewer: Client) -> None:
    with transaction.atomic():
        for connected, total in [(True, 1), (True, 2), (True, 3), (False, 2), (False, 1)]:
            publish("connection", "1", {"connected": connected, "total": total})
        publish("service", "web", {"total": 99, "connected": False})
    body = viewer.get("/api/events/stats").json()
    assert (body["total"], body["peak"], body["disconnects"]) == (0, 3, 2)


def test_ends_are_counted_by_their_reason(viewer: Client) -> None:
    with transaction.atomic():
        for reason in ("closed", "kicked", "closed"):
            publish("connection", "1", {"connected": False, "total": 0, "reason": reason})
        publish("connection", "1", {"connected": False, "total": 0})
        publish("connection", "1", {"connected": True, "total": 1})
    body = viewer.get("/api/events/stats").json()
    assert body["disconnects_by_reason"] == {"closed": 2, "kicked": 1, "unknown": 1}
    assert body["disconnects"] == 4


def test_events_of_the_last_hour_are_counted(viewer: Client) -> None:
    with transaction.atomic():
        publish("service", "web", {})
        publish("service", "web", {})
    Event.objects.filter(pk=Event.objects.earliest("id").pk).update(at=timezone.now() - timedelta(hours=2))
    assert viewer.get("/api/events/stats").json()["events_published_last_hour"] == 1


def test_what_streams_were_sent_within_the_hour_is_counted(viewer: Client) -> None:
    traffic.record(Sent(40, 4000, 8000), timezone.now())
    traffic.record(Sent(2, 200, 400), timezone.now() - timedelta(minutes=30))
    traffic.record(Sent(1000, 1, 1), timezone.now() - timedelta(hours=3))
    body = viewer.get("/api/events/stats").json()
    assert body["events_sent_last_hour"] == 42
    assert (body["bytes_sent_last_hour"], body["bytes_saved_last_hour"]) == (4200, 8400)
    assert body["saved_percent"] == 66.7


@pytest.mark.parametrize("path", ["/api/events/stats", "/api/events/health"])
def test_the_number_of_queries_does_not_grow(viewer: Client, alice: User, path: str) -> None:
    def questions() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert viewer.get(path).status_code == 200
        return len(asked)

    open_stream(alice, make_worker(1))
    few = questions()
    for pid in range(2, 12):
        open_stream(alice, make_worker(pid))
    assert questions() == few


def test_health_names_the_workers_and_their_streams(viewer: Client, alice: User) -> None:
    worker = make_worker(1)
    make_worker(2, seen_ago=120)
    open_stream(alice, worker)
    body = viewer.get("/api/events/health").json()
    assert (body["status"], body["connections"]) == ("ok", 1)
    assert [(w["worker"], w["alive"], w["connections"]) for w in body["workers"]] == [
        ("n:1", True, 1),
        ("n:2", False, 0),
    ]


def test_health_before_the_first_stream_is_no_alarm(viewer: Client) -> None:
    assert viewer.get("/api/events/health").json()["status"] == "idle"


def test_health_without_a_live_worker_says_so(viewer: Client) -> None:
    make_worker(1, seen_ago=120)
    body = viewer.get("/api/events/health").json()
    assert body["status"] == "silent"
    assert body["reason"]


@override_settings(MEDIMGR_STREAM_MAX_CONNECTIONS=1)
def test_health_says_that_no_place_is_left(viewer: Client, alice: User) -> None:
    open_stream(alice, make_worker())
    body = viewer.get("/api/events/health").json()
    assert body["status"] == "full"
    assert "MEDIMGR_STREAM_MAX_CONNECTIONS" in body["reason"]


def test_stats_tell_how_well_streams_do(viewer: Client, alice: User) -> None:
    figures = Figures()
    for _ in range(3):
        figures.opened(replayed_events=2, reset=False)
    figures.refused("too-many-streams")
    figures.sent(30, 1000, 4000)
    for seconds in (0.004, 0.004, 0.2):
        figures.latency.observe(seconds)
    counted = figures.counted()
    worker = make_worker(1)
    worker.figures = {
        "counted": counted,
        "now": {
            "recent": counted, "queued_bytes": 300, "lag_events": 4, "lag_seconds": 0.5, "silent_seconds": 0.2
        },
    }  # fmt: skip
    worker.save()
    DepartedFigures.objects.create(figures=counted)
    Connection.objects.filter(pk=open_stream(alice, worker).pk).update(pages=4)
    open_stream(alice, worker)
    body = viewer.get("/api/events/stats").json()
    assert (body["total"], body["pages"]) == (2, 5)
    assert [row["pages"] for row in body["connections"]] == [4, 1]
    assert body["pool"] == {
        "used": 2, "free": 498, "limit": 500, "limit_per_address": 10, "by_address": {"127.0.0.1": 2},
    }  # fmt: skip
    assert body["health"] == {"status": "ok", "reason": ""}
    assert body["latency_ms"]["recent"]["count"] == 3
    assert body["latency_ms"]["ever"]["count"] == 6
    assert 3 < body["latency_ms"]["recent"]["p50"] < 5 < body["latency_ms"]["recent"]["p99"] <= 250
    assert body["errors"]["recent"]["error_percent"] == 25.0
    assert body["errors"]["ever"]["refused_by_reason"] == {"too-many-streams": 2}
    assert body["compression"] == {"bytes_plain": 10_000, "bytes_sent": 2000, "saved_percent": 80.0}
    assert body["delivered"] == {"event": 60, "tick": 0, "heartbeat": 0}
    assert (body["replays"], body["replayed_events"], body["resets"]) == (6, 12, 0)
    assert body["queued_bytes"] == 300
    assert body["reader"] == {"lag_events": 4, "lag_seconds": 0.5, "silent_seconds": 0.2}


def test_health_names_the_reader_that_is_stuck(viewer: Client) -> None:
    worker = make_worker(1)
    worker.figures = {"counted": {}, "now": {"lag_events": 9, "lag_seconds": 44.0, "silent_seconds": 44.0}}
    worker.save()
    body = viewer.get("/api/events/health").json()
    assert body["status"] == "degraded"
    assert [finding["code"] for finding in body["findings"]] == ["reader-stuck"]
    assert body["reason"] == body["findings"][0]["words"]
    assert body["workers"][0]["reader"]["lag_events"] == 9
