"""The rows are the live streams, exactly: after any opens and closes, on two web workers, at any pace.

``MEDIMGR_TEST_SEED`` repeats the dice of a failure.
"""

import contextlib
import os
import random
import secrets
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from http.client import HTTPConnection

import pytest
from pytest_django import DjangoDbBlocker

from medimgr.events.models import Connection, Event
from tests.events.conftest import Site, running_site
from tests.events.stream_client import StreamClient

pytestmark = pytest.mark.both_databases

LIMIT, LIMIT_PER_ADDRESS = 14, 4
ADDRESSES = [f"203.0.113.{number}" for number in range(8)]
ROUNDS = 6


@pytest.fixture
def seed() -> str:
    return os.environ.get("MEDIMGR_TEST_SEED") or secrets.token_hex(4)


@pytest.fixture(scope="module")
def two_workers(
    tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker
) -> Iterator[Site]:
    """Two workers behind a proxy, which tells them each client's address."""
    limits = {
        "MEDIMGR_STREAM_MAX_CONNECTIONS": str(LIMIT),
        "MEDIMGR_STREAM_MAX_PER_ADDRESS": str(LIMIT_PER_ADDRESS),
        "MEDIMGR_TRUSTED_PROXIES": "127.0.0.1",
        # Nobody is to be found out by a failed heartbeat.
        "MEDIMGR_STREAM_HEARTBEAT_SECONDS": "30",
    }
    with running_site(tmp_path_factory.mktemp("site"), django_db_blocker, **limits) as site:
        site.start_worker()
        yield site
        site.assert_quiet()


class Visitors(threading.Thread):
    """Somebody who opens and leaves streams in every way, and keeps some."""

    def __init__(self, site: Site, session: str, seed: str) -> None:
        super().__init__(name=seed)
        self._site = site
        self._session = session
        self._dice = random.Random(seed)
        self.kept: list[StreamClient] = []
        self.outcomes: Counter[str] = Counter()

    def run(self) -> None:
        for _ in range(12):
            if self.kept and self._dice.random() < 0.25:
                self._leave(self.kept.pop(self._dice.randrange(len(self.kept))))
            self._come()

    def _come(self) -> None:
        port = self._dice.choice(self._site.ports)
        way = self._dice.choice(("stay", "stay", "half a request", "gone at once", "gone while it opens"))
        self.outcomes[way] += 1
        if way == "half a request":
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(b"GET /events/?topics=service HTTP/1.1\r\nHost: 127.0.0.1\r\nCoo")
            return
        headers = {"X-Forwarded-For": self._dice.choice(ADDRESSES)}
        stream = StreamClient(port, self._session, headers, topics="service")
        if way == "gone while it opens":
            # At any stage of it; how long it takes depends on what the others do.
            time.sleep(self._dice.uniform(0, 0.05))
        if way != "stay":
            self._dice.choice((stream.close, stream.abort))()
            return
        status, _ = stream.answer(20)
        self.outcomes[f"answer {status}"] += 1
        if status == 200:
            stream.hello = stream.next("hello").data
            self.kept.append(stream)
        else:
            stream.close()

    def _leave(self, stream: StreamClient) -> None:
        way = self._dice.choice(("close", "abort", "goodbye"))
        self.outcomes[f"left by {way}"] += 1
        if way == "goodbye":
            self._say_goodbye(stream)
        else:
            getattr(stream, way)()

    def _say_goodbye(self, stream: StreamClient) -> None:
        beacon = HTTPConnection("127.0.0.1", self._dice.choice(self._site.ports), timeout=20)
        with contextlib.closing(beacon):
            beacon.request("POST", "/events/disconnect/", stream.hello["connection_id"])
            assert beacon.getresponse().status == 204
        stream.close()


def test_the_rows_are_the_live_streams_after_every_storm(two_workers: Site, seed: str) -> None:
    site = two_workers
    session = site.operator()
    outcomes: Counter[str] = Counter()
    slowest = 0.0
    for number in range(ROUNDS):
        crowd = [Visitors(site, session, f"{seed}/{number}/{one}") for one in range(6)]
        for visitors in crowd:
            visitors.start()
        for visitors in crowd:
            visitors.join(60)
            assert not visitors.is_alive()
            outcomes.update(visitors.outcomes)
        kept = [stream for visitors in crowd for stream in visitors.kept]
        began = time.monotonic()
        live = {stream.hello["connection_id"] for stream in kept}
        site.instance.wait_for(partial(has_rows_of, site, live), 2, f"the live streams alone, {seed}")
        slowest = max(slowest, time.monotonic() - began)
        for stream in kept:
            stream.close()
        site.wait_for_rows(0, 2)
    print(f"{dict(sorted(outcomes.items()))}; right after {slowest:.2f} s at most")  # noqa: T201
    check_the_totals(site)
    assert outcomes["answer 200"] > 20
    assert outcomes["answer 429"] > 0, "the limits were reached"


def has_rows_of(site: Site, live: set[str]) -> bool:
    with site.instance.database():
        return set(Connection.objects.values_list("token", flat=True)) == live


def check_the_totals(site: Site) -> None:
    """Check what the events told: one more, one less, never beyond a limit, nobody twice."""
    with site.instance.database():
        facts = list(Event.objects.filter(topic="connection").order_by("id").values_list("data", flat=True))
    present: dict[int, str] = {}
    for fact in facts:
        if fact["connected"]:
            assert fact["id"] not in present
            present[fact["id"]] = fact["address"]
        else:
            assert present.pop(fact["id"]) == fact["address"]
        assert fact["total"] == len(present) <= LIMIT
        assert max(Counter(present.values()).values(), default=0) <= LIMIT_PER_ADDRESS
    assert not present


def test_every_place_can_be_taken_and_not_one_more(two_workers: Site) -> None:
    site = two_workers
    session = site.operator()
    asked = [
        StreamClient(site.ports[number % 2], session, {"X-Forwarded-For": address}, topics="service")
        for number in range(LIMIT_PER_ADDRESS + 2)
        for address in ADDRESSES[:3]
    ]
    statuses = Counter(stream.answer(20)[0] for stream in asked)
    assert statuses == {200: 3 * LIMIT_PER_ADDRESS, 429: 3 * 2}
    others = [
        StreamClient(site.ports[number % 2], session, {"X-Forwarded-For": f"198.51.100.{number}"}, topics="")
        for number in range(10)
    ]
    statuses = Counter(stream.answer(20)[0] for stream in others)
    assert statuses == {200: LIMIT - 3 * LIMIT_PER_ADDRESS, 429: 10 - (LIMIT - 3 * LIMIT_PER_ADDRESS)}
    for stream in [*asked, *others]:
        stream.close()
    site.wait_for_rows(0, 2)


@pytest.mark.parametrize("leave", ["close", "abort"])
def test_a_row_is_gone_within_a_second_of_its_client(two_workers: Site, leave: str) -> None:
    site = two_workers
    session = site.operator()
    waits = []
    with site.instance.database():
        for number in range(12):
            headers = {"X-Forwarded-For": ADDRESSES[0]}
            stream = StreamClient(site.ports[number % 2], session, headers, topics="service").start()
            assert Connection.objects.count() == 1
            getattr(stream, leave)()
            left_at = time.monotonic()
            while Connection.objects.exists():
                assert time.monotonic() - left_at < 5
                time.sleep(0.002)
            waits.append(time.monotonic() - left_at)
    waits.sort()
    print(f"{leave}: row gone after {waits[6] * 1000:.0f} ms (median), {waits[-1] * 1000:.0f} ms at most")  # noqa: T201
    assert waits[-1] <= 1
