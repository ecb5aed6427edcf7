"""Names, keys and log lines that would break a frame, or a header, on the socket of a real web worker.

The same over frames alone is in test_frames.py; here the bytes go through the database, the reader, the
compression and the server, and are read by a parser that goes by the standard.
"""

import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitoring.models import Service
from tests.events.conftest import Site
from tests.events.sse import SseParser
from tests.events.stream_client import StreamClient
from tests.factories import make_service

BREAKS = ["\r", "\n", "\r\n", "\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\ufeff", "\0"]
ATTACKS = [
    "a\n\nevent: bye\ndata: {}\n\n",
    "a\r\n\r\nevent: reset\r\ndata: {}\r\n\r\n",
    "a\rid: 999999\r",
    "x\u2028event: bye\u2028data: {}\u2028\u2028",
    "\0id: 5\0",
    "0\r\n\r\nHTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\n\r\n",
    "\ufeffdata: x",
    ": comment\n\n",
]
PIECES = st.lists(
    st.sampled_from(
        [*BREAKS, *ATTACKS, "data: ", "id: 7", "event: bye", ":", " ", "name", "é", "💥", "</script>"]
    ),
    min_size=1,
    max_size=6,
).map("".join)


_NO_CONTROL = re.compile("[\\x00-\\x1f\\x7f-\\x9f]")


def storable(text: str) -> str:
    """Return ``text`` without what PostgreSQL does not store; fields refuse it at the door."""
    return text.replace("\0", "")


@pytest.fixture(scope="module", params=["identity", "gzip"])
def encoding(request: pytest.FixtureRequest) -> str:
    """Plain or compressed."""
    return str(request.param)


def test_no_name_breaks_a_frame_on_the_wire(site: Site, encoding: str) -> None:
    client = StreamClient(
        site.ports[0],
        site.operator(),
        {"Accept-Encoding": encoding},
        topics="service,operation,workstation,node",
    ).start()

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(key=PIECES, words=st.lists(PIECES, min_size=1, max_size=3))
    def holds(key: str, words: list[str]) -> None:
        key = storable(key)[:200]
        data = {storable(word): storable(word) for word in words}
        number = site.publish("service", key, data)
        message = client.next()
        while message.name in ("heartbeat", "tick"):
            message = client.next()
        assert (message.name, message.id) == ("service", str(number))
        assert message.data == {**data, "key": key}

    with client:
        holds()
        assert client.last_event_id


def test_no_service_of_the_tables_breaks_a_tick(site: Site) -> None:
    with site.open() as client:
        for number, key in enumerate(map(storable, [*BREAKS[:-1], *ATTACKS])):
            site.tick("node\r\n\r\nevent: bye", {key: [float(number), 1.0]})
            assert client.next("tick").data["services"] == {key: [float(number), 1.0]}


def test_no_line_of_a_log_breaks_a_frame(site: Site) -> None:
    with site.instance.database():
        Service.objects.all().delete()
        make_service("web")
    log = site.instance.data_dir / "logs" / "web.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    lines = [re.sub("[\r\n]", "?", text) for text in (*BREAKS, *ATTACKS)]
    log.write_bytes(b"".join(text.encode() + b"\r\n" for text in lines) + b"\xff\xfe\n" + b"event: bye\n\n")
    with site.open(log="web") as client:
        read: list[str] = []
        while len(read) < len(lines) + 3:
            message = client.next("log", "bye", "reset")
            assert (message.name, message.id) == ("log", "")
            read += message.data["lines"]
        assert read[len(lines) + 1 :] == ["event: bye", ""]
        # What a reader of logs leaves out, such as NEL, is its own affair: a line is one line in any case.
        assert [_NO_CONTROL.sub("", text) for text in read[: len(lines)]] == [
            _NO_CONTROL.sub("", text) for text in lines
        ]


@pytest.mark.parametrize(
    "query",
    [
        {"page": "/x\r\nSet-Cookie: a=b"},
        {"page": "\n\nevent: bye\ndata: {}\n\n"},
        {"last_event_id": "5\r\ndata: evil"},
        {"log_offset": "1\r\n", "log": "no\r\nX-Evil: 1"},
        {"operation_log": "1\nevent: bye"},
        {"topics": "service\r\nX-Evil: 1"},
    ],
)
def test_nothing_of_the_query_gets_into_headers_or_frames(site: Site, query: dict[str, Any]) -> None:
    client = StreamClient(site.ports[0], site.operator(), **{"topics": "connection", **query})
    with client:
        status, headers = client.answer()
        assert not {"set-cookie", "x-evil"} & headers.keys()
        if status != 200:
            client._read_until(lambda: len(client._raw) >= int(headers["content-length"]), 10, "the body")
            assert json.loads(client._raw)["status"] == status
            return
        names = [client.next().name for _ in range(2)]
        assert set(names) <= {"hello", "reset", "connection", "heartbeat"}, names
        site.publish("connection", "end")
        while (message := client.next()).data.get("key") != "end":
            assert message.name in {"hello", "reset", "connection", "heartbeat"}, message


def test_the_parser_of_these_tests_would_notice() -> None:
    """What a server that did not escape would send is read as the attack that it is."""
    bad = f"event: service\ndata: {ATTACKS[0]}\n\n".encode()
    assert [message.name for message in SseParser().feed(bad)] == ["service", "bye"]
