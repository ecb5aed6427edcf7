"""A web worker that is told to end: 200 streams hear so, and it is gone within five seconds."""

import functools
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_django import DjangoDbBlocker

from medimgr.events.models import Connection, StreamWorker
from tests.events.conftest import Site
from tests.events.stream_client import StreamClient
from tests.medimgr.worker_process import WorkerProcess

pytestmark = pytest.mark.both_databases

STREAMS = 200
GONE_SECONDS = 5.0


@pytest.fixture
def empty_site(tmp_path: Path, django_db_blocker: DjangoDbBlocker) -> Iterator[Site]:
    """A site without a web worker yet."""
    with django_db_blocker.unblock():
        site = Site(tmp_path, MEDIMGR_STREAM_HEARTBEAT_SECONDS="30")
        try:
            yield site
        finally:
            site.instance.close()


@pytest.mark.parametrize("kind", ["Daphne", "web worker of manage.py up"])
def test_it_is_gone_in_time_and_all_come_back_spread_out(empty_site: Site, kind: str) -> None:
    site = empty_site
    session = site.operator()
    worker = None
    end: Callable[[], None]
    if kind == "Daphne":
        process = site.start_worker()
        port, wait, said = site.ports[0], process.wait, process.output
        end = functools.partial(process.signal, signal.SIGTERM)
    else:
        worker = WorkerProcess(site.instance).ready()
        port, wait, said, end = worker.port, worker.wait, worker.said, worker.terminate

    streams = [StreamClient(port, session, topics="service") for _ in range(STREAMS)]
    for stream in streams:
        stream.start()
    # Among them: some who do not read (and to whom more is owed than the kernel takes) ...
    slow = [
        StreamClient(port, session, topics="service,operation", receive_buffer=4096).start() for _ in range(5)
    ]
    for number in range(4):
        site.publish("operation", str(number), {"filling": "x" * 200_000})
    site.publish("service", "last")
    for stream in streams:
        assert stream.next("service").data["key"] == "last"
    # ... some who have not finished their request, and one who has asked for more on its stream.
    half = [socket.create_connection(("127.0.0.1", port)) for _ in range(5)]
    for client in half:
        client.sendall(b"GET /events/?topics=service HTTP/1.1\r\nHost: 127")
    streams[0].socket.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")

    began = time.monotonic()
    end()
    byes = [stream.until_end()[-1] for stream in streams]
    assert time.monotonic() - began < GONE_SECONDS
    assert wait(GONE_SECONDS) == 0
    took = time.monotonic() - began
    assert took < GONE_SECONDS, took

    assert {(bye.name, bye.data["reason"]) for bye in byes} == {("bye", "shutdown")}
    delays = sorted(bye.data["retry_ms"] for bye in byes)
    assert delays[-1] - delays[0] > 2000
    assert len(set(delays)) > STREAMS / 4, "they do not come back all at once"
    with site.instance.database():
        assert not Connection.objects.exists()
        assert not StreamWorker.objects.exists()
    for word in ("Traceback", "took too long", "ERROR", "CRITICAL", "never retrieved", "was destroyed"):
        assert word not in said(), said()[-4000:]
    for stream in [*streams, *slow]:
        stream.close()
    for client in half:
        client.close()
    if worker is not None:
        worker.close()
