"""Whatever stands in the request for a stream, a poll or a notice: never an error of the server."""

import contextlib
import socket
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

from monitoring.models import Service
from tests.events.conftest import Site
from tests.factories import make_service

pytestmark = pytest.mark.both_databases

KNOWN = ("topics", "last_event_id", "page", "log", "log_offset", "log_inode", "log_stream")
VALUES = st.one_of(
    st.sampled_from(
        ["", "service", "service,node", "connection", "talker", "0", "-1", "1e9", "٣", "NaN", "9" * 30, "\0"]
    ),
    st.integers().map(str),
    st.text(max_size=40),
)
QUERIES = st.one_of(
    st.lists(st.tuples(st.one_of(st.sampled_from(KNOWN), st.text(max_size=10)), VALUES), max_size=6).map(
        lambda pairs: urlencode(pairs, errors="surrogatepass").encode()
    ),
    # Not even a query: raw bytes, but for those that end a request line.
    st.binary(max_size=60).map(lambda raw: bytes(byte for byte in raw if byte > 0x20 and byte != 0x7F)),
    st.binary(max_size=40).map(lambda raw: b"topics=" + quote(raw).encode()),
)
HEADER = st.binary(max_size=40).map(lambda raw: raw.translate(None, b"\r\n\0"))
BODIES = st.one_of(
    st.binary(max_size=200),
    st.lists(st.tuples(st.sampled_from(["connection_id", "pages", "x"]), VALUES), max_size=4).map(
        lambda pairs: urlencode(pairs, errors="surrogatepass").encode()
    ),
)
CONTENT_TYPES = st.sampled_from(
    [
        b"text/plain;charset=UTF-8",
        b"application/x-www-form-urlencoded",
        b"application/x-www-form-urlencoded; charset=nonsense",
        b"multipart/form-data",
        b"multipart/form-data; boundary=x",
        b"\xff/\xfe",
    ]
)
STRANGE = settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def session(site: Site) -> str:
    """The session of somebody who may see all, with a service to look at."""
    with site.instance.database():
        if not Service.objects.filter(key="talker").exists():
            make_service("talker")
    return site.operator()


def status_of(site: Site, request: bytes) -> int:
    """Send a request and return the status of the answer; the client leaves after that."""
    with contextlib.closing(socket.create_connection(("127.0.0.1", site.ports[0]), timeout=10)) as client:
        client.sendall(request)
        answer = b""
        while b"\r\n" not in answer:
            piece = client.recv(4096)
            assert piece, f"No answer to {request!r}"
            answer += piece
    status = int(answer.split()[1])
    event(f"status {status}")
    return status


@pytest.mark.parametrize("path", [b"/events/", b"/events/poll/"])
@STRANGE
@example(
    query=b"topics=service&last_event_id=%00&log=%00&log_offset=%00",
    header=b"\xff\xfe",
    encoding=b"",
    cookie=None,
)
@given(query=QUERIES, header=HEADER, encoding=HEADER, cookie=st.one_of(st.none(), HEADER))
def test_no_query_makes_the_server_fail(
    site: Site, session: str, path: bytes, query: bytes, header: bytes, encoding: bytes, cookie: bytes | None
) -> None:
    lines = [
        b"GET " + path + b"?" + query + b" HTTP/1.1",
        b"Host: 127.0.0.1",
        b"Cookie: sessionid=" + (session.encode() if cookie is None else cookie),
        b"Last-Event-ID: " + header,
        b"Accept-Encoding: " + encoding,
    ]
    assert status_of(site, b"\r\n".join([*lines, b"", b""])) < 500


@pytest.mark.parametrize("path", [b"/events/disconnect/", b"/events/pages/"])
@STRANGE
@given(body=BODIES, content_type=CONTENT_TYPES)
def test_no_notice_makes_the_server_fail(site: Site, path: bytes, body: bytes, content_type: bytes) -> None:
    lines = [
        b"POST " + path + b" HTTP/1.1",
        b"Host: 127.0.0.1",
        b"Content-Type: " + content_type,
        f"Content-Length: {len(body)}".encode(),
    ]
    # A multipart body that is none is refused before any application hears of it.
    refused = {400} if content_type.startswith(b"multipart") else set()
    assert status_of(site, b"\r\n".join([*lines, b"", body])) in {204} | refused
