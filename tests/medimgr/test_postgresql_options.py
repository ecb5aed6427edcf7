"""Connections to PostgreSQL whose other end vanishes: noticed by both sides, within seconds."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from medimgr.postgresql_options import postgresql_options
from tests.events.vanishing_network import VanishingNetwork, vanishing_network


def test_what_the_url_says_comes_first_and_blank_means_nothing_at_all() -> None:
    ours = postgresql_options({})
    assert ours["connect_timeout"] == 5
    theirs = postgresql_options({"connect_timeout": 9, "options": " ", "sslmode": "require"})
    assert theirs["connect_timeout"] == 9
    assert "options" not in theirs
    assert theirs["sslmode"] == "require"
    assert theirs["keepalives_idle"] == ours["keepalives_idle"]


@pytest.mark.both_databases
@pytest.mark.django_db
def test_the_server_ends_a_transaction_whose_client_has_gone_still() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no server.")
    with connection.cursor() as cursor:
        cursor.execute("SHOW idle_in_transaction_session_timeout")
        assert cursor.fetchone() == ("1min",)


@pytest.fixture
def network() -> Iterator[VanishingNetwork]:
    with vanishing_network() as laid:
        yield laid


@pytest.mark.both_databases
@pytest.mark.django_db
def test_a_server_that_vanishes_is_noticed(network: VanishingNetwork) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no server.")
    options = settings.DATABASES["default"]["OPTIONS"]
    waited: dict[str, float] = {}
    with _server_there(network) as port, contextlib.ExitStack() as stack:
        parameters = connection.get_connection_params() | options | {"host": network.there, "port": port}
        wanted = {key: value for key, value in parameters.items() if key not in ("cursor_factory", "context")}
        asked, listening = (stack.enter_context(psycopg.connect(**wanted, autocommit=True)) for _ in range(2))
        listening.execute("LISTEN nothing")

        def ask() -> None:
            with contextlib.suppress(psycopg.OperationalError):
                asked.execute("SELECT 1")
                return
            waited["asked"] = time.monotonic() - began

        def listen() -> None:
            with contextlib.suppress(psycopg.OperationalError):
                list(listening.notifies(timeout=30))
                return
            waited["listening"] = time.monotonic() - began

        network.vanish()
        began = time.monotonic()
        threads = [threading.Thread(target=ask), threading.Thread(target=listen)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(40)
    assert set(waited) == {"asked", "listening"}, waited
    assert max(waited.values()) < 15, waited


@contextlib.contextmanager
def _server_there(network: VanishingNetwork) -> Iterator[int]:
    """Yield a port on the other machine that leads to the PostgreSQL of this test run."""
    path = Path(os.environ["DATABASE_URL"].partition("host=")[2].partition("&")[0]) / ".s.PGSQL.5432"
    listener = network.over_there(lambda: socket.create_server((network.there, 0)))
    open_sockets = [listener]

    def pass_on(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(str(path))
                open_sockets.extend([client, server])
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=pass_on, args=pair, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        for one in open_sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
