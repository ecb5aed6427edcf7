"""Clients that read late or never, in a hurry or without manners: each bounded, none a trouble."""

import os
import random
import socket
import threading
import time

import psutil
import pytest
from django.db import transaction

from medimgr.events.log import publish
from tests.events.conftest import Site
from tests.events.stream_client import StreamClient

pytestmark = pytest.mark.both_databases


def test_a_client_that_never_reads_is_ended_and_costs_little(site: Site) -> None:
    session = site.operator()
    with site.open(session) as reader, site.open(session, receive_buffer=4096):
        process = psutil.Process(site.workers[0].pid)
        before = process.memory_info().rss
        for number in range(120):
            site.publish("service", str(number), {"filling": "x" * 50_000})
            assert reader.next("service").data["key"] == str(number)
        site.wait_for_rows(1, 10)
        assert site.last_fact()["reason"] == "lagging"
        assert process.memory_info().rss - before < 8 * 1024 * 1024

        def connected() -> int:
            found = [c for c in process.net_connections("tcp") if c.laddr.port == site.ports[0]]
            return sum(c.status == psutil.CONN_ESTABLISHED for c in found)

        site.instance.wait_for(lambda: connected() == 1, 10, "it is cut off, though it never read its bye")


def test_a_client_that_reads_late_gets_every_event_and_the_latest_figures(site: Site) -> None:
    rounds = 70
    with site.open(receive_buffer=4096) as late:
        for number in range(rounds):
            site.publish("service", str(number))
            # More in all than the kernel's buffers take.
            site.tick("n", {f"service-{key:04}": [float(number), 1.0] for key in range(3000)})
        events: list[str] = []
        ticks: list[float] = []
        while len(events) < rounds or ticks[-1] != rounds - 1:
            message = late.next("service", "tick", "bye")
            if message.name == "tick":
                ticks.append(message.data["services"]["service-0000"][0])
            else:
                events.append(message.data["key"])
        assert events == [str(number) for number in range(rounds)]
        assert ticks == sorted(ticks)
        assert len(ticks) < rounds - 5, "figures that are out of date are left out"


def test_a_burst_is_no_reason_to_call_a_client_slow(site: Site) -> None:
    with site.open() as stream:
        reading = threading.Thread(target=lambda: [stream.next("service") for _ in range(101)])
        reading.start()
        with site.instance.database(), transaction.atomic():
            for number in range(100):  # 2 MB at once, twice of what is held for a client
                publish("service", str(number), {"filling": "x" * 20_000})
            publish("service", "last", {})
        reading.join(20)
        assert not reading.is_alive()
        assert site.rows() == 1


def test_no_client_behaviour_makes_a_worker_complain(site: Site) -> None:
    session = site.operator()
    port = site.ports[0]

    def rude(data: bytes) -> None:
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(data)

    def hasty(number: int) -> None:
        for _ in range(25):
            stream = StreamClient(port, session, topics="service")
            time.sleep(random.uniform(0, 0.03))  # leaves at every stage of the opening
            stream.abort() if number % 2 else stream.close()

    request = f"GET /events/?topics=service HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: sessionid={session}\r\n"
    rude(request.encode())
    rude(request.encode() + b"\r\n")
    rude(os.urandom(300))
    rude(b"GET /events/?topics=%ff%00 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    rude(request.encode() + b"Last-Event-ID: \xff\xfe\r\n\r\n")
    rude(b"POST /events/disconnect/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 999\r\n\r\nhalf")
    hurry = [threading.Thread(target=hasty, args=[number]) for number in range(6)]
    for thread in hurry:
        thread.start()
    for thread in hurry:
        thread.join(30)
    with site.open() as stream:
        site.wait_for_rows(1, 3)
        site.publish("service", "still here")
        assert stream.next("service").data["key"] == "still here"
