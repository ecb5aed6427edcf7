"""Where an answer has to hold a text, it is looked for in what the server says, however it sends it."""

import asyncio
import time

import pytest
from hypothesis import HealthCheck as Hypothesis
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.states import HealthKind
from monitoring.supervisor.probes import ProbeResult
from monitoring.supervisor.spec import HealthCheck
from tests.monitoring.adapters.test_probing import Answer, no_socket_is_left, probe, saying, serving

__all__ = ["no_socket_is_left"]
OK = b"HTTP/1.1 200 OK\r\n"


async def looking_for(text: str, answer: Answer, within: float = 1.0) -> ProbeResult:
    async with serving(answer) as port:
        url = f"http://127.0.0.1:{port}/"
        return await probe(HealthCheck(HealthKind.HTTP, url=url, body=text, timeout=within))


def chunks(*parts: bytes) -> bytes:
    return b"".join(b"%x;x=y\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


@pytest.mark.parametrize(
    "data",
    [
        OK + b"Content-Length: 15\r\n\r\n{status: ready}",
        OK + b"\r\n{status: ready}",
        b"HTTP/1.0 200 OK\n\n{status: ready}",
        OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunks(b"{status: re", b"ady}"),
        OK + b"transfer-encoding: gzip, Chunked\r\n\r\n" + chunks(*(bytes([c]) for c in b"{status: ready}")),
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK + b"\r\n" + b"x" * 200_000 + b"status: ready",
    ],
)
async def test_a_text_is_found(data: bytes) -> None:
    result = await looking_for("status: ready", saying(data))
    assert (result.ok, result.detail) == (True, "answered 200 OK")


async def test_letters_beyond_ascii_are_found() -> None:
    assert (await looking_for("geöffnet", saying(OK + b"\r\n" + "Wahl geöffnet".encode()))).ok


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (
            OK + b"Content-Length: 5\r\n\r\nquitereadybutbehindtheend",
            "answered 200 OK without the text 'ready'",
        ),
        (OK + b"X-State: ready\r\n\r\nbusy", "answered 200 OK without the text 'ready'"),
        (OK + b"\r\n", "answered 200 OK without the text 'ready'"),
        (OK + b"Content-Length: 90\r\n\r\nrea", "answered 200 OK without the text 'ready'"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nready", "something that is not HTTP"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"5" * 90 + b"\r\nready", "something that is not HTTP"),
        (OK + b"X: y\r\n" * 300 + b"\r\nready", "something that is not HTTP"),
        (OK + b"X: " + b"y" * 20_000 + b"\r\n\r\nready", "something that is not HTTP"),
        (b"HTTP/1.1 503 Busy\r\n\r\nready", "answered 503 Service Unavailable"),
    ],
)
async def test_what_does_not_hold_the_text_is_not_healthy(data: bytes, words: str) -> None:
    result = await looking_for("ready", saying(data))
    assert (result.ok, result.hung) == (False, False)
    assert words in result.detail


async def test_one_that_stops_in_the_middle_is_not_waited_for() -> None:
    begun = time.monotonic()
    answer = saying(OK + b"Content-Length: 50\r\n\r\nrea", then_wait=True)
    result = await looking_for("ready", answer, within=0.3)
    assert time.monotonic() - begun < 3
    assert (result.ok, result.hung) == (False, False)
    assert result.detail == "answered 200 OK and had not sent the text 'ready' in time"


async def test_a_healthy_server_that_keeps_the_connection_is_not_waited_for() -> None:
    begun = time.monotonic()
    answer = saying(OK + b"Content-Length: 5\r\n\r\nready", then_wait=True)
    assert (await looking_for("ready", answer, within=20)).ok
    assert time.monotonic() - begun < 5


async def test_an_answer_without_end_is_read_up_to_a_limit() -> None:
    sent = 0

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK + b"\r\n")
        while True:
            writer.write(b"x" * 65536)
            sent += 65536
            await writer.drain()

    result = await looking_for("ready", endless, within=20)
    assert (result.ok, result.detail) == (False, "answered 200 OK without the text 'ready'")
    assert sent < 20_000_000


@settings(max_examples=30, deadline=None, suppress_health_check=[Hypothesis.function_scoped_fixture])
@given(st.lists(st.binary(max_size=30), max_size=8), st.text("abé", min_size=1, max_size=4), st.booleans())
def test_a_text_is_found_exactly_where_it_is(parts: list[bytes], text: str, chunked: bool) -> None:
    wanted = text.encode()
    body = b"".join(parts)
    data = OK + b"Content-Length: %d\r\n\r\n" % len(body) + body
    if chunked:
        data = OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunks(*(part for part in parts if part))
    assert asyncio.run(looking_for(text, saying(data), within=10)).ok == (wanted in body)
