"""Web workers that serve streams: several on one database, full, overrun, stopped and killed."""

import socket
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import DjangoDbBlocker

from medimgr.events.connections import forget_dead_workers
from medimgr.events.models import Connection, StreamWorker
from tests.events.conftest import running_site

pytestmark = pytest.mark.both_databases


@pytest.fixture
def blocker(django_db_blocker: DjangoDbBlocker) -> Iterator[DjangoDbBlocker]:
    """The test may use the database of its site."""
    with django_db_blocker.unblock():
        yield django_db_blocker


def test_limits_hold_across_workers_and_say_when_to_come_again(
    tmp_path: Path, blocker: DjangoDbBlocker
) -> None:
    with running_site(tmp_path, blocker, MEDIMGR_STREAM_MAX_PER_ADDRESS="3") as site:
        site.start_worker()
        session = site.operator()
        streams = [site.open(session, worker=number % 2) for number in range(3)]
        for worker in (0, 1):
            with site.connect(session, worker=worker) as refused:
                status, headers = refused.answer()
            assert status == 429
            assert headers["content-type"] == "application/problem+json"
            assert int(headers["retry-after"]) > 0
        assert site.rows() == 3
        streams[0].close()
        site.wait_for_rows(2, 2)
        with site.open(session, worker=1):
            assert site.rows() == 3
        for stream in streams:
            stream.close()
        site.assert_quiet()


@pytest.mark.parametrize(("proxies", "addresses"), [("127.0.0.0/8", 4), ("10.0.0.7", 1)])
def test_only_a_proxy_that_is_named_tells_who_its_clients_are(
    tmp_path: Path, blocker: DjangoDbBlocker, proxies: str, addresses: int
) -> None:
    limits = {"MEDIMGR_STREAM_MAX_PER_ADDRESS": "4", "MEDIMGR_TRUSTED_PROXIES": proxies}
    with running_site(tmp_path, blocker, **limits) as site:
        session = site.operator()
        streams = [
            site.open(session, headers={"X-Forwarded-For": f"1.1.1.1, 203.0.113.{number}"})
            for number in range(4)
        ]
        with site.instance.database():
            seen = set(Connection.objects.values_list("address", flat=True))
        assert len(seen) == addresses
        with site.connect(session, headers={"X-Forwarded-For": "203.0.113.99"}) as fifth:
            assert fifth.answer()[0] == (200 if addresses > 1 else 429)
        for stream in streams:
            stream.close()
        site.assert_quiet()


def test_a_rush_at_fresh_workers_is_served_within_the_limit(tmp_path: Path, blocker: DjangoDbBlocker) -> None:
    with running_site(tmp_path, blocker, MEDIMGR_STREAM_MAX_CONNECTIONS="25") as site:
        site.start_worker()
        session = site.operator()
        streams = [site.connect(session, worker=number % 2) for number in range(40)]
        statuses = Counter(stream.answer(20)[0] for stream in streams)
        assert statuses == {200: 25, 429: 15}
        with site.instance.database():
            assert StreamWorker.objects.count() == 2
            assert Connection.objects.count() == 25
        for stream in streams:
            stream.close()
        site.wait_for_rows(0, 3)
        site.assert_quiet()


def test_a_goodbye_at_one_worker_ends_the_stream_at_another(tmp_path: Path, blocker: DjangoDbBlocker) -> None:
    with running_site(tmp_path, blocker) as site:
        site.start_worker()
        with site.open(worker=0) as stream, socket.create_connection(("127.0.0.1", site.ports[1])) as other:
            body = stream.hello["connection_id"].encode()
            head = (
                f"POST /events/disconnect/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            other.sendall(head.encode() + body)
            assert other.recv(1000).startswith(b"HTTP/1.1 204")
            assert site.rows() == 0
            assert stream.next("bye", timeout=2)
            stream.until_end()
        site.assert_quiet()


def test_a_killed_worker_leaves_rows_that_any_other_process_clears(
    tmp_path: Path, blocker: DjangoDbBlocker
) -> None:
    with running_site(tmp_path, blocker) as site:
        streams = [site.open() for _ in range(3)]
        site.workers[0].kill()
        assert site.rows() == 3
        with site.instance.database():
            assert forget_dead_workers() == 3
        assert site.last_fact() | {"reason": "worker-lost", "total": 0} == site.last_fact()
        for stream in streams:
            stream.close()
        # Where nobody asks, the next web worker does.
        site.start_worker()
        streams = [site.open(worker=1) for _ in range(2)]
        site.workers[1].kill()
        site.start_worker()
        with site.open(worker=2):
            site.wait_for_rows(1, 5)
        for stream in streams:
            stream.close()


def test_a_stopped_worker_says_bye_and_leaves_nothing(tmp_path: Path, blocker: DjangoDbBlocker) -> None:
    with running_site(tmp_path, blocker) as site:
        streams = [site.open() for _ in range(20)]
        with socket.create_connection(("127.0.0.1", site.ports[0])) as half_open:
            half_open.sendall(
                b"GET /events/ HTTP/1.1\r\nHost: x"
            )  # Daphne's own shutdown trips over this one
            began = time.monotonic()
            assert site.workers[0].stop(timeout=5) == 0
            assert time.monotonic() - began < 5
        byes = [stream.until_end()[-1] for stream in streams]
        assert {bye.name for bye in byes} == {"bye"}
        assert {bye.data["reason"] for bye in byes} == {"shutdown"}
        assert len({bye.data["retry_ms"] for bye in byes}) > 10, "they come back spread out"
        assert site.rows() == 0
        with site.instance.database():
            assert not StreamWorker.objects.exists()
        for stream in streams:
            stream.close()
        site.assert_quiet()


def test_a_worker_that_was_taken_for_dead_ends_its_streams_and_goes_on(
    tmp_path: Path, blocker: DjangoDbBlocker
) -> None:
    with running_site(tmp_path, blocker) as site:
        with site.open() as stream:
            with site.instance.database():
                StreamWorker.objects.all().delete()  # with its rows, and without an event
            assert stream.next("bye", timeout=5).data["reason"] == "shutdown"
        with site.open():
            site.wait_for_rows(1, 2)
        site.assert_quiet()


def test_old_streams_end_and_say_that_it_is_nobodys_fault(tmp_path: Path, blocker: DjangoDbBlocker) -> None:
    with running_site(tmp_path, blocker, MEDIMGR_STREAM_MAX_AGE_SECONDS="1") as site:
        with site.open() as stream:
            assert stream.next("bye", timeout=4).data["reason"] == "too-old"
            stream.until_end()
            site.wait_for_rows(0, 2)
        assert site.last_fact()["reason"] == "too-old"
