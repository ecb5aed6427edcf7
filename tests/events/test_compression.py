"""Messages are compressed once for all streams, and every client can read them at once, wherever it joins."""

import random
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medimgr.events import encoding, frames
from medimgr.events.encoding import WORTH_BYTES, Gzip, Identity, blocks, chosen
from tests.events.conftest import Site

MESSAGES = st.lists(
    st.one_of(
        st.binary(max_size=80),
        st.binary(min_size=WORTH_BYTES, max_size=WORTH_BYTES + 50),
        st.integers(1, 200_000).map(lambda size: b"ab" * size),
    ),
    max_size=12,
)


def status_message(services: int = 36) -> bytes:
    """About 5 KB in the shape of the API's status, with figures as different as real ones."""
    draw = random.Random(3)
    shown = {
        f"service-{number}": {
            "name": f"Service {number}",
            "status": "RUNNING",
            "health": "healthy",
            "cpu": round(draw.uniform(0, 99), 1),
            "mem": round(draw.uniform(10, 300), 1),
            "pid": draw.randrange(999, 99_999),
            "uptime": f"01:02:{draw.randrange(60):02}",
        }
        for number in range(services)
    }
    return frames.message("status", {"services": shown})


@given(MESSAGES)
def test_each_message_can_be_read_as_soon_as_it_is_there(messages: list[bytes]) -> None:
    stream, client = Gzip(), zlib.decompressobj(31)
    for message in messages:
        assert client.decompress(stream.encode(message)) == message
    assert client.decompress(stream.end()) == b""
    assert client.eof, "size and checksum are those of the whole"
    assert not client.unused_data


@settings(deadline=None)  # thousands of calls
@given(MESSAGES)
def test_a_client_that_reads_byte_by_byte_gets_the_same(messages: list[bytes]) -> None:
    stream, client = Gzip(), zlib.decompressobj(31)
    whole = b"".join(map(stream.encode, messages[:3])) + stream.end()
    got = b"".join(client.decompress(whole[at : at + 1]) for at in range(min(len(whole), 3000)))
    assert b"".join(messages[:3]).startswith(got)


def test_an_end_without_any_message_is_an_empty_gzip_file() -> None:
    assert zlib.decompress(Gzip().end(), 31) == b""


def test_streams_that_get_the_same_message_get_the_very_same_bytes() -> None:
    message = status_message()
    encoding._deflated.cache_clear()
    assert len({id(blocks(message)) for _ in range(100)}) == 1
    assert encoding._deflated.cache_info().misses == 1


def test_a_status_message_shrinks_by_four_fifths() -> None:
    message = status_message()
    assert 4500 < len(message) < 5500
    assert len(blocks(message)) < 0.2 * len(message)


def test_what_is_small_or_cannot_be_compressed_grows_by_a_few_bytes_at_most() -> None:
    noise = random.Random(1).randbytes(100_000)
    assert len(blocks(noise)) <= len(noise) + 10
    assert len(blocks(b"x" * (WORTH_BYTES - 1))) == WORTH_BYTES - 1 + 5


@pytest.mark.parametrize(
    "accepted",
    [
        "gzip",
        "gzip, deflate, br, zstd",
        "br;q=1.0, gzip;q=0.8, *;q=0.1",
        "*",
        "GZIP",
        "x-gzip",
        " gzip ;q=0.001",
    ],
)
def test_who_takes_gzip_gets_it(accepted: str) -> None:
    assert isinstance(chosen(accepted), Gzip)


@pytest.mark.parametrize(
    "accepted",
    [
        "",
        "identity",
        "br",
        "gzip;q=0",
        "gzip;q=0.000, *",
        "*;q=0",
        "gzip;q=x",
        "gzipped",
        ";;,,=",
        "gzip;q=-1",
    ],
)
def test_who_does_not_gets_it_plain(accepted: str) -> None:
    assert isinstance(chosen(accepted), Identity)


@given(st.text(max_size=60))
def test_no_header_is_too_strange(accepted: str) -> None:
    assert chosen(accepted).name in {"gzip", "identity"}


# --- over a real server -------------------------------------------------------------------------------


def test_a_compressed_stream_says_what_a_plain_one_says(site: Site) -> None:
    services = {f"service-{number:03}": [1.5, 100.0 + number] for number in range(200)}
    with (
        site.open(topics="service") as plain,
        site.connect(headers={"Accept-Encoding": "gzip"}, topics="service") as small,
    ):
        status, headers = small.answer()
        assert (status, headers["content-encoding"]) == (200, "gzip")
        assert "Accept-Encoding" in headers["vary"]
        small.next("hello")
        site.tick("n1", services)
        for stream in (plain, small):
            assert stream.next("tick").data["services"] == services
        ids = [site.publish("service", f"k{number}") for number in range(5)]
        for stream in (plain, small):
            assert [int(stream.next("service").id) for _ in ids] == ids
        assert small.received_bytes < 0.5 * plain.received_bytes


def test_a_client_that_comes_late_can_read_from_where_it_came(site: Site) -> None:
    last = [site.publish("service", f"k{number}") for number in range(50)][-1]
    with site.connect(headers={"Accept-Encoding": "gzip"}, topics="service", last_event_id=last - 10) as late:
        late.answer()
        assert [int(late.next("service").id) for _ in range(10)] == list(range(last - 9, last + 1))
