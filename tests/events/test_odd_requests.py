"""Whatever a client sends, when it leaves, and how it reads: no trouble in the log, no row that stays."""

import contextlib
import os
import socket
import ssl
import struct
from collections.abc import Iterator

import pytest

from tests.events.conftest import Site
from tests.events.stream_client import StreamClient

pytestmark = pytest.mark.both_databases


@contextlib.contextmanager
def raw(site: Site, data: bytes = b"") -> Iterator[socket.socket]:
    """Connect to the worker and send ``data``."""
    with socket.create_connection(("127.0.0.1", site.ports[0]), timeout=10) as client:
        client.sendall(data)
        yield client


def everything(client: socket.socket) -> bytes:
    """Return what comes until the server closes."""
    parts = []
    try:
        while part := client.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass  # it has closed without reading all that we sent
    return b"".join(parts)


def request(session: str, *headers: str, line: str = "GET /events/?topics=service HTTP/1.1") -> bytes:
    """Return a request for a stream."""
    lines = [line, "Host: 127.0.0.1", f"Cookie: sessionid={session}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def still_serves(site: Site, session: str) -> None:
    """Fail where the worker does not serve a stream as always."""
    with site.open(session) as stream:
        site.wait_for_rows(1, 5)
        site.publish("service", "still here")
        assert stream.next("service").data["key"] == "still here"


@pytest.mark.parametrize("leave", ["FIN", "RST"])
def test_leaving_after_any_byte_of_the_request(site: Site, leave: str) -> None:
    session = site.operator()
    whole = request(session, "Accept: text/event-stream", "Last-Event-ID: 0")
    for length in range(len(whole) + 1):
        with raw(site, whole[:length]) as client:
            if leave == "RST":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    site.wait_for_rows(0, 5)
    still_serves(site, session)


def test_half_a_request_that_stays_disturbs_nobody(site: Site) -> None:
    session = site.operator()
    whole = request(session)
    held = []
    for number in range(30):
        client = socket.create_connection(("127.0.0.1", site.ports[0]))
        client.sendall(whole[: number * len(whole) // 30])
        held.append(client)
    still_serves(site, session)
    for client in held:
        client.shutdown(socket.SHUT_WR)  # half-open: says that it is done, and goes on listening
    still_serves(site, session)
    for client in held:
        client.close()


STRANGE = {
    "nothing that is HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),
    "only line ends": b"\r\n\r\n\r\n\r\n",
    "HTTP/0.9": b"GET /events/\r\n\r\n",
    "HTTP/2 at once": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    "HTTP/9.9": b"GET /events/ HTTP/9.9\r\nHost: x\r\n\r\n",
    "no host": b"GET /events/ HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /events/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "a strange host": b"GET /events/ HTTP/1.1\r\nHost: \xff\xfe<>\r\n\r\n",
    "no path": b"GET  HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "a whole address": b"GET http://127.0.0.1/events/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "a path of bytes": b"GET /events/\xff\xfe HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "a query of bytes": b"GET /events/?topics=\xff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "a query of nothings": b"GET /events/?topics=%00&page=%00&log=%00 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "a header without a colon": b"GET /events/ HTTP/1.1\r\nHost 127.0.0.1\r\n\r\n",
    "a header name of bytes": b"GET /events/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\xff\xfe: 1\r\n\r\n",
    "a header that goes on": b"GET /events/ HTTP/1.1\r\nHost: 127.0.0.1\r\n Cookie: sessionid=x\r\n\r\n",
    "a NUL in a header": b"GET /events/ HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: a\0b\r\n\r\n",
    "a huge header": b"GET /events/ HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: " + b"x" * 300_000 + b"\r\n\r\n",
    "a huge line": b"GET /events/?page=" + b"x" * 300_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "a thousand headers": b"GET /events/ HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X-A: 1\r\n" * 1000 + b"\r\n",
    "a length below nothing": b"POST /events/disconnect/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    b"Content-Length: -5\r\n\r\n",
    "two lengths": b"POST /events/disconnect/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n"
    b"Content-Length: 6\r\n\r\nhello!",
    "length and chunks": b"POST /events/disconnect/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks that are none": b"POST /events/disconnect/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    b"Transfer-Encoding: chunked\r\n\r\nzzz\r\nhello\r\n",
    "an encoding nobody knows": b"POST /events/disconnect/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    b"Transfer-Encoding: magic\r\n\r\nhello",
    "more to come": b"POST /events/disconnect/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n"
    b"Expect: 100-continue\r\n\r\n",
    "a tunnel": b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "all of it": b"OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "a method of bytes": b"\xff\xfe /events/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "a websocket": b"GET /events/ HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    "a websocket without a key": b"GET /events/ HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n\r\n",
}


@pytest.mark.parametrize("data", STRANGE.values(), ids=STRANGE.keys())
def test_a_strange_request_is_no_trouble(site: Site, data: bytes) -> None:
    with raw(site) as client:
        client.settimeout(1)
        try:
            client.sendall(data)
            answer = client.recv(65536)
        except (TimeoutError, ConnectionError):
            answer = b""
    if answer.startswith(b"HTTP/"):
        assert not answer.split(b" ", 2)[1].startswith(b"5"), answer[:300]


def test_random_bytes_at_any_place_are_no_trouble(site: Site) -> None:
    session = site.operator()
    whole = request(session)
    for at in range(0, len(whole), 3):
        with raw(site, whole[:at] + os.urandom(20) + whole[at:]):
            pass
    site.wait_for_rows(0, 5)
    still_serves(site, session)


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "OPTIONS", "BREW"])
def test_a_stream_is_for_get_alone(site: Site, method: str) -> None:
    line = f"{method} /events/?topics=service HTTP/1.1"
    with raw(site, request(site.operator(), "Content-Length: 0", "Connection: close", line=line)) as client:
        answer = everything(client)
    assert answer.startswith((b"HTTP/1.1 405", b"HTTP/1.1 403")), answer[:200]
    assert site.rows() == 0


def test_a_client_of_http_1_0_is_served(site: Site) -> None:
    line = "GET /events/?topics=service HTTP/1.0"
    with raw(site, request(site.operator(), line=line)) as client:
        got = b""
        while b"event: hello" not in got:
            got += client.recv(65536)
        site.publish("service", "old")
        while b'"key":"old"' not in got:
            got += client.recv(65536)
        assert b"transfer-encoding" not in got.lower()
        site.wait_for_rows(1, 2)
    site.wait_for_rows(0, 2)


def test_a_tls_client_at_the_plain_port_is_no_trouble(site: Site) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with raw(site) as client:
        client.settimeout(1)
        with pytest.raises((ssl.SSLError, OSError)):
            context.wrap_socket(client, server_hostname="127.0.0.1")


@pytest.mark.parametrize("size", [0, 10_000, 500_000], ids=["one request", "many", "more than anybody reads"])
@pytest.mark.parametrize("leave", ["FIN", "RST"])
def test_a_second_request_on_the_connection_of_a_stream(site: Site, size: int, leave: str) -> None:
    session = site.operator()
    stream = site.open(session)
    stream.socket.settimeout(0.5)
    second = request(session, line="GET /healthz HTTP/1.1")
    with contextlib.suppress(TimeoutError):  # nobody need read that
        stream.socket.sendall(second * (1 + size // len(second)))
    site.publish("service", "first")
    assert stream.next("service").data["key"] == "first", "the stream goes on, and no other answer is in it"
    assert stream.next("heartbeat", timeout=5)
    stream.abort() if leave == "RST" else stream.close()
    site.wait_for_rows(0, 2)
    still_serves(site, session)


def test_a_client_that_reads_byte_by_byte_is_served(site: Site) -> None:
    with site.connect() as stream:
        got = b""
        while b"event: hello" not in got:
            got += stream.socket.recv(1)
        site.publish("service", "slowly")
        while b'"key":"slowly"' not in got:
            got += stream.socket.recv(1)


def test_a_client_that_shuts_its_own_side_only(site: Site) -> None:
    """A half-open connection is taken for closed, as by every server of HTTP."""
    session = site.operator()
    stream = StreamClient(site.ports[0], session, topics="service").start()
    stream.socket.shutdown(socket.SHUT_WR)
    site.wait_for_rows(0, 2)
    stream.close()
