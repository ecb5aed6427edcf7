"""What Prometheus gets to read: all of the installation, in a few queries, and not for everybody."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from pytest_django.fixtures import Settings

import medimgr
from medimgr.events import ledger
from medimgr.events.figures import Figures
from medimgr.events.models import Connection, DepartedFigures, StreamWorker
from monitoring.models import Node
from operations.models import Operation
from tests.api import client_of
from tests.factories import make_node, make_service

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

TOKEN = "a-token-that-nobody-guesses"


def counted(**fields: Any) -> dict[str, Any]:
    figures = Figures()
    for name, value in fields.items():
        setattr(figures, name, value)
    return figures.counted()


def make_worker(pid: int = 1, seen_ago: float = 0.0, **figures: Any) -> StreamWorker:
    now = timezone.now()
    return StreamWorker.objects.create(
        node="n",
        pid=pid,
        start_ticks=1,
        started_at=now,
        seen_at=now - timedelta(seconds=seen_ago),
        figures=figures,
    )


def open_stream(user: User, worker: StreamWorker, pages: int = 1) -> Connection:
    now = timezone.now()
    return Connection.objects.create(
        worker=worker, user=user, address="192.0.2.1", connected_at=now, last_ping_at=now, pages=pages
    )


def scraped(client: Client) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """All samples of a scrape, as Prometheus' own parser reads them."""
    response = client.get("/metrics")
    assert response.status_code == 200, response.content
    assert response["Content-Type"].startswith("text/plain; version=0.0.4")
    assert response["Cache-Control"] == "no-store"
    return samples(response)


def samples(response: Any) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(response.content.decode())
        for sample in family.samples
    }


def value(samples: dict[Any, float], name: str, **labels: str) -> float:
    return samples[f"medimgr_{name}", frozenset(labels.items())]


# --- what it tells ---------------------------------------------------------------------------------


def test_streams_are_counted_by_worker_with_the_pages_they_feed(bob: User, alice: User) -> None:
    first, second = make_worker(1), make_worker(2)
    open_stream(alice, first)
    open_stream(alice, first, pages=7)
    open_stream(bob, second, pages=2)
    found = scraped(client_of(bob))
    assert value(found, "stream_connections", worker="n:1") == 2
    assert value(found, "stream_connections", worker="n:2") == 1
    assert value(found, "stream_pages") == 10
    assert value(found, "stream_workers", state="alive") == 2


def test_all_workers_and_the_departed_ones_add_up(bob: User) -> None:
    figures = Figures()
    figures.sent(100, 5000, 20_000)
    figures.opened(replayed_events=3, reset=False)
    figures.opened(replayed_events=0, reset=True)
    figures.ended("closed")
    figures.refused("too-many-streams")
    figures.delivered("tick", 12)
    for seconds in (0.004, 0.004, 0.2, 70.0):
        figures.latency.observe(seconds)
    make_worker(1, counted=figures.counted())
    make_worker(2, counted=figures.counted())
    DepartedFigures.objects.create(figures=figures.counted())
    found = scraped(client_of(bob))
    assert value(found, "stream_messages_total", kind="event") == 300
    assert value(found, "stream_messages_total", kind="tick") == 36
    assert value(found, "stream_messages_total", kind="heartbeat") == 0
    assert value(found, "stream_bytes_sent_total") == 15_000
    assert value(found, "stream_bytes_uncompressed_total") == 75_000
    assert value(found, "stream_opened_total") == 6
    assert value(found, "stream_disconnects_total", reason="closed") == 3
    assert value(found, "stream_disconnects_total", reason="lagging") == 0
    assert value(found, "stream_refused_total", reason="too-many-streams") == 3
    assert value(found, "stream_replays_total") == 3
    assert value(found, "stream_replayed_events_total") == 9
    assert value(found, "stream_resets_total") == 3
    assert value(found, "stream_send_latency_seconds_bucket", le="0.003") == 0
    assert value(found, "stream_send_latency_seconds_bucket", le="0.005") == 6
    assert value(found, "stream_send_latency_seconds_bucket", le="0.25") == 9
    assert value(found, "stream_send_latency_seconds_bucket", le="30.0") == 9
    assert value(found, "stream_send_latency_seconds_bucket", le="+Inf") == 12
    assert value(found, "stream_send_latency_seconds_count") == 12
    assert value(found, "stream_send_latency_seconds_sum") == pytest.approx(3 * 70.208)


def test_each_worker_s_reader_and_queue_are_its_own(bob: User) -> None:
    make_worker(1, now={"queued_bytes": 4096, "lag_events": 7, "lag_seconds": 2.5, "silent_seconds": 3.0})
    make_worker(2, seen_ago=120, now={"queued_bytes": 1})
    found = scraped(client_of(bob))
    assert value(found, "stream_queue_bytes", worker="n:1") == 4096
    assert value(found, "stream_reader_lag_events", worker="n:1") == 7
    assert value(found, "stream_reader_lag_seconds", worker="n:1") == 2.5
    assert value(found, "stream_reader_silent_seconds", worker="n:1") == 3
    # One that has not looked yet has no lag; a zero would say that it is up to date.
    assert ("medimgr_stream_reader_lag_events", frozenset({("worker", "n:2")})) not in found
    assert value(found, "stream_workers", state="silent") == 1


def test_services_operations_and_nodes_are_in_it(bob: User, alice: User) -> None:
    node = make_node()
    for key in ("web", "worker"):
        make_service(key, node=node)
    Node.objects.update(supervisor_pid=1, heartbeat_at=timezone.now())
    other = Node.objects.create(name="silent")
    now = timezone.now()
    Operation.objects.create(
        kind="start", target_type="service", target_key="web", queue="q", created_at=now, run_after=now,
        deadline_at=now, requester="alice", source="page",
    )  # fmt: skip
    found = scraped(client_of(bob))
    assert value(found, "services", node=node.name, state="STOPPED") == 2
    assert value(found, "services", node=node.name, state="RUNNING") == 0
    assert value(found, "operations", state="PENDING") == 1
    assert value(found, "operations", state="RUNNING") == 0
    # Those that have ended are counters: a gauge would go by the purge.
    assert ("medimgr_operations", frozenset({("state", "FAILED")})) not in found
    assert value(found, "node_up", node=node.name) == 1
    assert value(found, "node_up", node=other.name) == 0
    assert value(found, "build_info", version=medimgr.__version__) == 1


def test_an_installation_without_anything_can_be_scraped(bob: User) -> None:
    found = scraped(client_of(bob))
    assert value(found, "stream_opened_total") == 0
    assert value(found, "stream_send_latency_seconds_count") == 0


def test_what_departed_workers_counted_is_told_without_any_worker(bob: User) -> None:
    DepartedFigures.objects.create(figures=counted(streams_opened=4))
    assert value(scraped(client_of(bob)), "stream_opened_total") == 4


def test_the_number_of_queries_does_not_grow(bob: User, settings: Settings) -> None:
    settings.MEDIMGR_METRICS_TOKEN = TOKEN
    client = Client(headers={"Authorization": f"Bearer {TOKEN}"})

    def questions() -> int:
        with CaptureQueriesContext(connection) as asked:
            scraped(client)
        return len(asked)

    node = make_node()
    make_service("web", node=node)
    open_stream(bob, make_worker(1, counted=counted(streams_opened=1)))
    few = questions()
    assert few <= 13
    for number in range(2, 12):
        open_stream(bob, make_worker(number, counted=counted(streams_opened=1)))
        make_service(f"web-{number}", node=node)
    assert questions() == few


# --- who may read it -------------------------------------------------------------------------------


def told(response: Any) -> str:
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    return str(response.content.decode())


def test_a_stranger_is_told_to_sign_in(client: Client) -> None:
    response = client.get("/metrics")
    assert (response.status_code, response["WWW-Authenticate"]) == (401, 'Bearer realm="medimgr metrics"')
    assert "MEDIMGR_METRICS_TOKEN" in told(response)


def test_an_account_without_the_permission_is_told_which_one(charlie: User) -> None:
    response = client_of(charlie).get("/metrics")
    assert response.status_code == 403
    assert "events.view_connection" in told(response)


@pytest.mark.parametrize("missing", ["view_connection", "view_service", "view_operation"])
def test_each_of_the_permissions_is_needed(bob: User, missing: str) -> None:
    bob.user_permissions.remove(bob.user_permissions.get(codename=missing))
    response = client_of(bob).get("/metrics")
    assert response.status_code == 403
    assert missing in told(response)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_the_token_opens_without_a_session(client: Client, settings: Settings, scheme: str) -> None:
    settings.MEDIMGR_METRICS_TOKEN = TOKEN
    assert client.get("/metrics", headers={"Authorization": f"{scheme} {TOKEN}"}).status_code == 200


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", "Bearer tökén"],
)
@pytest.mark.parametrize("set_token", [TOKEN, ""])
def test_a_wrong_token_does_not(client: Client, settings: Settings, header: str, set_token: str) -> None:
    settings.MEDIMGR_METRICS_TOKEN = set_token
    response = client.get("/metrics", headers={"Authorization": header})
    assert response.status_code == 401
    assert TOKEN not in told(response)


def test_a_wrong_token_is_not_made_good_by_a_session(bob: User, settings: Settings) -> None:
    settings.MEDIMGR_METRICS_TOKEN = TOKEN
    response = client_of(bob).get("/metrics", headers={"Authorization": "Bearer other"})
    assert response.status_code == 401


def test_it_is_for_reading_only(bob: User) -> None:
    assert client_of(bob).post("/metrics").status_code == 405
    assert client_of(bob).head("/metrics").status_code == 200


def test_a_database_that_is_away_is_told_and_no_zeros_beside_it(
    client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.MEDIMGR_METRICS_TOKEN = TOKEN

    def lose(*_: Any, **__: Any) -> None:
        raise OperationalError('connection to server at "10.1.2.3" failed for user "medimgr"')

    monkeypatch.setattr(StreamWorker.objects, "annotate", lose)
    response = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert response.status_code == 200
    found = samples(response)
    assert value(found, "database_up") == 0
    assert {name for name, _ in found} == {"medimgr_database_up", "medimgr_build_info"}
    assert b"10.1.2.3" not in response.content


def test_a_bucket_of_another_release_is_not_lost(bob: User) -> None:
    stored = {"counts": {"0.004": 2, "99.0": 1, "inf": 1}, "seconds": 100.0}
    make_worker(1, counted=ledger.together([{"latency": stored}]))
    found = scraped(client_of(bob))
    assert value(found, "stream_send_latency_seconds_bucket", le="0.005") == 2
    assert value(found, "stream_send_latency_seconds_count") == 4
