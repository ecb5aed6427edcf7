"""The way past Daphne and Twisted is there: with another release of either, this is what fails first."""

import socket
import sys
from pathlib import Path

import httpx
import pytest
from pytest_django import DjangoDbBlocker

from tests.events.conftest import Site, running_site
from tests.running import Instance, accepts_connections, free_port


@pytest.mark.parametrize(("switch", "then"), [("on", "something"), ("off", "nothing")])
def test_a_socket_is_written_to_directly_once_nothing_waits_before_it(
    instance: Instance, switch: str, then: str
) -> None:
    port = free_port()
    instance.start_command(
        [sys.executable, "-m", "tests.events.direct_probe", str(port)],
        name="probe",
        MEDIMGR_STREAM_DIRECT=switch,
    )
    instance.wait_for(lambda: accepts_connections(port), 10, "the probe listens")
    assert httpx.get(f"http://127.0.0.1:{port}/").text == f"begun nothing then {then} "


def test_an_old_client_without_chunks_gets_its_stream_too(site: Site) -> None:
    """HTTP/1.0 has no chunked transfer, so nothing can be shared with it as it is framed."""
    with socket.create_connection(("127.0.0.1", site.ports[0]), timeout=10) as old, site.open() as modern:
        cookie = f"Cookie: sessionid={site.operator()}"
        lines = ["GET /events/?topics=service HTTP/1.0", "Host: localhost", cookie, "", ""]
        old.sendall("\r\n".join(lines).encode())
        heard = b""
        while b"event: hello" not in heard:
            heard += old.recv(65536)
        for number in range(3):
            site.publish("service", f"s{number}")
            assert modern.next("service").data["key"] == f"s{number}"
        while b'"key":"s2"' not in heard:
            heard += old.recv(65536)
        assert b"Transfer-Encoding" not in heard
        assert heard.count(b"event: service") == 3


def test_streams_work_without_the_direct_way(tmp_path: Path, django_db_blocker: DjangoDbBlocker) -> None:
    with (
        django_db_blocker.unblock(),
        running_site(tmp_path, django_db_blocker, MEDIMGR_STREAM_DIRECT="off") as site,
        site.open() as one,
        site.open() as other,
    ):
        for number in range(3):
            site.publish("service", f"s{number}")
            for stream in (one, other):
                assert stream.next("service").data["key"] == f"s{number}"
        site.assert_quiet()
