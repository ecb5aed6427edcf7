"""Clients that are gone without a word: no FIN, no RST. Their rows go within a heartbeat and 5 seconds."""

import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django import DjangoDbBlocker

from medimgr.events.models import Connection
from medimgr.events.peer_socket import GRACE_SECONDS, MARGIN_SECONDS, patience, watch
from tests.events.conftest import Site
from tests.events.stream_client import StreamClient
from tests.events.vanishing_network import VanishingNetwork, vanishing_network
from tests.running import accepts_connections, free_port

HEARTBEAT = 3.0


@pytest.fixture
def network() -> Iterator[VanishingNetwork]:
    with vanishing_network() as laid:
        yield laid


@pytest.fixture
def wide_site(tmp_path: Path, django_db_blocker: DjangoDbBlocker) -> Iterator[Site]:
    """A site whose worker listens on every address of this machine."""
    with django_db_blocker.unblock():
        site = Site(tmp_path, MEDIMGR_STREAM_HEARTBEAT_SECONDS=str(HEARTBEAT))
        try:
            port = free_port()
            command = [sys.executable, "-m", "daphne", "-b", "0.0.0.0", "-p", str(port)]
            worker = site.instance.start_command([*command, "medimgr.asgi:application"], name="daphne")
            site.instance.wait_for(lambda: accepts_connections(port), 20, "Daphne listens")
            site.ports.append(port)
            site.workers.append(worker)
            yield site
        finally:
            site.instance.close()


def test_a_machine_that_vanishes_takes_its_streams_along(wide_site: Site, network: VanishingNetwork) -> None:
    site, session = wide_site, wide_site.operator()

    def open_there(**more: Any) -> StreamClient:
        return network.over_there(
            lambda: StreamClient(site.ports[0], session, host=network.here, **more).start()
        )

    lasting = site.open(session)
    idle = open_there(topics="workstation", page="idle")
    busy = open_there(topics="service", page="busy")
    # Its window is shut, so that the server may not even send: only the kernel's own questions go out.
    shut = open_there(topics="operation", page="shut", receive_buffer=4096)
    site.publish("operation", "fills the window", {"filling": "x" * 300_000})
    site.publish("service", "before")
    assert busy.next("service").data["key"] == "before"

    network.vanish()
    began = time.monotonic()
    gone: dict[str, float] = {}
    while len(gone) < 3 and time.monotonic() - began < HEARTBEAT + GRACE_SECONDS + 3:
        site.publish("service", "into the void")
        with site.instance.database():
            there = set(Connection.objects.values_list("page", flat=True))
        for page in {"idle", "busy", "shut"} - there - set(gone):
            gone[page] = time.monotonic() - began
        time.sleep(0.2)  # leaves the processor to the worker between two looks
    assert set(gone) == {"idle", "busy", "shut"}, gone
    assert max(gone.values()) <= HEARTBEAT + GRACE_SECONDS, gone
    assert lasting.next("heartbeat", timeout=HEARTBEAT + 2)
    for client in (lasting, idle, busy, shut):
        client.close()
    site.wait_for_rows(0, 2)
    site.assert_quiet()


@pytest.mark.parametrize("heartbeat", [0.2, 3.0, 5.0, 15.0, 30.0, 60.0, 3600.0])
def test_the_worst_case_is_within_a_heartbeat_and_five_seconds(heartbeat: float) -> None:
    wanted = patience(heartbeat)
    give_up = wanted.give_up_milliseconds / 1000
    # Silent at first; a message at the last moment before the kernel would have given up on its questions.
    worst = 2 * give_up + wanted.ask_every_seconds + MARGIN_SECONDS
    assert worst <= max(heartbeat, HEARTBEAT) + GRACE_SECONDS
    assert 1 <= wanted.ask_every_seconds <= 5
    assert give_up >= 2 * wanted.ask_every_seconds, "one lost question alone is no death"
    assert wanted.questions >= 2


def test_whatever_is_no_connection_is_left_alone() -> None:
    watch(None, 30.0)
    watch(object(), 30.0)
    with socket.socket() as closed:
        closed.close()
        watch(closed, 30.0)
    left, right = socket.socketpair()
    with left, right:
        watch(left, 30.0)
        assert left.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0
