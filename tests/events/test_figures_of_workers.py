"""Real web workers count what they do, and tell it with their lease."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import DjangoDbBlocker

from medimgr.events import connections
from medimgr.events.connections import forget_dead_workers
from medimgr.events.histogram import added_up
from medimgr.events.models import Connection, DepartedFigures, StreamWorker
from medimgr.events.survey import Survey
from tests.events.conftest import Site, running_site

TOLD_SECONDS = connections.RENEW_SECONDS + 2
TOKEN = "a-token-that-nobody-guesses"


def survey(site: Site) -> Survey:
    with site.instance.database():
        return Survey.take()


def wait_for(site: Site, condition: Callable[[Survey], Any], what: str) -> Survey:
    def asked() -> Survey | None:
        found = survey(site)
        return found if condition(found) else None

    found = site.instance.wait_for(asked, TOLD_SECONDS, what)
    assert found is not None
    return found


def test_a_worker_counts_all_that_it_does(tmp_path: Path, django_db_blocker: DjangoDbBlocker) -> None:
    limit = {"MEDIMGR_STREAM_MAX_CONNECTIONS": "3", "MEDIMGR_STREAM_HEARTBEAT_SECONDS": "0.3"}
    with running_site(tmp_path, django_db_blocker, **limit) as site:
        streams = [site.open() for _ in range(3)]
        with site.connect() as refused:
            assert refused.answer()[0] == 429
        for number in range(4):
            site.publish("service", f"s{number}")
        site.tick("n", {"s0": [1.0, 2.0]})
        for stream in streams:
            while stream.next("service").data["key"] != "s3":
                pass
            while stream.next("tick").data["node"] != "n":
                pass
            stream.next("heartbeat")
        missed = int(streams[0].last_event_id) - 2
        streams.pop().close()
        site.wait_for_rows(2, 3)
        with site.open(last_event_id=missed) as again:
            for key in ("s2", "s3"):
                assert again.next("service").data["key"] == key
            found = wait_for(site, lambda now: now.counted.get("replays"), "the replay to be counted")
        site.wait_for_rows(2, 3)
        with site.open(last_event_id=10**9) as stranger:
            assert stranger.next("reset")
            found = wait_for(
                site,
                lambda now: now.counted.get("resets") and sum(now.counted.get("ended", {}).values()) == 2,
                "the reset to be counted",
            )
        counted = found.counted
        assert counted["opened"] == 5
        assert counted["ended"] == {"closed": 2}
        assert counted["refused"] == {"too-many-streams": 1}
        assert (counted["replays"], counted["replayed_events"], counted["resets"]) == (1, 2, 1)
        assert counted["messages"]["event"] == 3 * 4 + 2
        assert counted["messages"]["tick"] == 3
        assert counted["messages"]["heartbeat"] >= 3
        assert counted["bytes_wire"] > 1000
        # Each of the four was handed to all, and the events about connections to nobody, but in time.
        latency = added_up([counted["latency"]])
        assert latency.count >= 4
        assert 0 < latency.seconds < 5
        assert added_up([counted["fan_out"]]).count >= 1
        (worker,) = found.workers
        assert worker.streams == 3
        assert worker.now["streams"] == 3
        assert worker.now["silent_seconds"] < 2
        for stream in streams:
            stream.close()
        site.assert_quiet()


def test_sums_outlive_the_workers(tmp_path: Path, django_db_blocker: DjangoDbBlocker) -> None:
    with running_site(tmp_path, django_db_blocker) as site:
        site.start_worker()
        streams = [site.open(worker=number % 2) for number in range(6)]
        site.publish("service", "web")
        for stream in streams:
            stream.next("service")
        wait_for(
            site, lambda now: now.counted.get("messages", {}).get("event") == 6, "the events to be counted"
        )
        wait_for(site, lambda now: now.counted.get("opened") == 6, "the streams to be counted")
        site.workers[1].kill()
        with site.instance.database():
            assert forget_dead_workers() == 3
        found = survey(site)
        assert (found.counted["opened"], found.counted["ended"]) == (6, {"worker-lost": 3})
        assert found.counted["messages"]["event"] == 6
        assert site.workers[0].stop(timeout=10) == 0
        found = survey(site)
        assert found.workers == []
        assert (found.counted["opened"], found.counted["ended"]) == (6, {"worker-lost": 3, "shutdown": 3})
        assert found.counted["messages"]["event"] == 6
        with site.instance.database():
            assert not StreamWorker.objects.exists()
            assert DepartedFigures.objects.count() == 1
        for stream in streams:
            stream.close()


def test_rows_move_while_their_streams_do(tmp_path: Path, django_db_blocker: DjangoDbBlocker) -> None:
    """Without waiting for the heartbeat, which is half a minute away."""
    with running_site(tmp_path, django_db_blocker, MEDIMGR_STREAM_HEARTBEAT_SECONDS="30") as site:
        with site.open() as stream, site.open(topics="operation") as still:

            def rows() -> dict[int, tuple[int, int]]:
                with site.instance.database():
                    values = Connection.objects.values_list("pk", "events_sent", "bytes_sent")
                    return {pk: (events, size) for pk, events, size in values}

            mine, other = stream.hello["connection"], still.hello["connection"]
            site.publish("service", "web")
            stream.next("service")
            site.instance.wait_for(lambda: rows()[mine][0] == 1, TOLD_SECONDS, "the row to have moved")
            assert rows()[other][0] == 0
            assert rows()[other][1] > 0, "its greeting"
        site.assert_quiet()


def test_any_worker_answers_for_all(tmp_path: Path, django_db_blocker: DjangoDbBlocker) -> None:
    with running_site(tmp_path, django_db_blocker, MEDIMGR_METRICS_TOKEN=TOKEN) as site:
        site.start_worker()
        with site.open(worker=0), site.open(worker=1), site.open(worker=1):
            wait_for(site, lambda now: now.counted.get("opened") == 3, "the streams to be counted")
            for port in site.ports:
                found = scraped(port)
                assert sorted(found["medimgr_stream_connections"]) == [1, 2]
                assert found["medimgr_stream_opened_total"] == [3]
            # A scrape is no stream: it took no place.
            assert site.rows() == 3
            for process in site.workers:
                assert TOKEN not in process.output()
        site.assert_quiet()


def scraped(port: int) -> dict[str, list[float]]:
    answer = httpx.get(f"http://127.0.0.1:{port}/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    found: dict[str, list[float]] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample.value)
    return found
