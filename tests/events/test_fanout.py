"""Streams in company and by themselves get the same: everything once, in order, and whole.

The sockets here take as much as they like, from nothing to all, as real ones do; what happens on real ones
is in test_streams_on_daphne.py.
"""

import asyncio
import zlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medimgr.events import frames, subscription
from medimgr.events.cohort import Count, Tally, Write
from medimgr.events.daphne_transport import framed
from medimgr.events.encoding import Encoding, Gzip, Identity
from medimgr.events.fanout import Fanout
from medimgr.events.opening import Listener, Opening
from medimgr.events.subscription import End, Subscription
from medimgr.events.tail import Measured, Row
from medimgr.lib.scope import EVERYTHING, Scope
from tests.events.sse import Message, SseParser

NOBODY = Listener(user_id=1, session_key="s", auth_hash="h", rights=frozenset())
TOPICS = ("service", "operation", "node")


class Client:
    """A client, its socket, and what waits before it as in Twisted's transport."""

    def __init__(self, fanout: Fanout, topics: Sequence[str], encoding: Encoding, tally: Tally) -> None:
        self.wire = bytearray()
        self.buffer = bytearray()
        self.room: int | None = None
        """How much the socket takes; None for all."""
        self.gone = False
        self.vanishes = False
        """Whether it goes between a write to its socket and the next."""
        self.sends = 0
        self.ends: list[End] = []
        self.stream = Subscription(
            token=str(id(self)),
            topics=topics,
            max_age=60,
            on_end=self._ended,
            encoding=encoding,
            tally=tally,
        )
        self._fanout = fanout
        fanout.add(self.stream)

    def _ended(self, stream: Subscription, reason: End) -> None:
        self.ends.append(reason)
        self._fanout.discard(stream)

    def open(self, position: int, scope: Scope = EVERYTHING) -> None:
        self.stream.admit(
            Opening(
                connection=1,
                topics=self.stream.topics,
                position=position,
                since=position,
                replay=(),
                reset=False,
                listener=replace(NOBODY, scope=scope),
            )
        )
        self.stream.open(self, frames.message("hello", {}), [])

    # --- as a sink ---------------------------------------------------------------------------------
    def write(self, chunk: bytes) -> None:
        self.write_raw(framed(chunk))

    def write_raw(self, wire: bytes) -> None:
        if self.gone or (self.vanishes and self.room is not None):
            raise ConnectionResetError
        self.buffer += wire
        self.read(0)
        if len(self.buffer) > 2000:
            self.stream.pause()

    def direct(self) -> Write | None:
        return None if self.buffer else self._send

    def finish(self) -> None:
        self.room = None
        self.read(0)

    # --- as a socket -------------------------------------------------------------------------------
    def _send(self, wire: bytes) -> int:
        self.sends += 1
        if self.gone:
            raise BrokenPipeError
        taken = len(wire) if self.room is None else min(self.room, len(wire))
        if not taken:
            raise BlockingIOError
        self.wire += wire[:taken]
        if self.room is not None:
            self.room -= taken
        return taken

    def read(self, more: int | None) -> None:
        """Make room for ``more`` bytes; None for all."""
        self.room = None if more is None or self.room is None else self.room + more
        taken = len(self.buffer) if self.room is None else min(self.room, len(self.buffer))
        self.wire += self.buffer[:taken]
        del self.buffer[:taken]
        if self.room is not None:
            self.room -= taken
        if not self.buffer and self.stream.is_lagging:
            self.stream.resume()

    # --- as its reader -----------------------------------------------------------------------------
    def body(self) -> bytes:
        rest, body = bytes(self.wire), b""
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            body += rest[: int(size, 16)]
            assert rest[int(size, 16) :][:2] == b"\r\n"
            rest = rest[int(size, 16) + 2 :]
        return body

    def messages(self) -> list[Message]:
        body = self.body()
        if isinstance(self.stream.encoding, Gzip):
            unzip = zlib.decompressobj(31)
            body = unzip.decompress(body)
            assert not self.ends or unzip.eof, "size and checksum are right"
        return SseParser().feed(body)

    def ids(self) -> list[int]:
        return [int(message.id) for message in self.messages() if message.name in TOPICS]


def row(number: int, topic: str, size: int = 0) -> Row:
    data: dict[str, Any] = {"x": "x" * size}
    return Row(number, topic, "k", data, frames.event(number, topic, "k", data), None)  # type: ignore[arg-type]


class Scene:
    """A fan-out with its clients."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.fanout = Fanout(framed, self.tally)

    def client(self, *topics: str, encoding: Encoding | None = None, position: int = 0) -> Client:
        client = Client(self.fanout, topics or ["service"], encoding or Identity(), self.tally)
        client.open(position)
        return client


async def test_a_message_is_encoded_once_and_sent_by_one_call_for_each_client() -> None:
    scene = Scene()
    clients = [scene.client() for _ in range(3)]
    scene.fanout.send_events([row(1, "service"), row(2, "node"), row(3, "service")])
    for client in clients:
        assert client.ids() == [1, 3]
        assert client.sends == 1
        assert client.stream.sent[:2] == (2, len(client.body()))


async def test_who_reads_slowly_leaves_the_others_and_comes_back_to_them() -> None:
    scene = Scene()
    slow, quick = scene.client(), scene.client()
    slow.room = 30
    scene.fanout.send_events([row(1, "service")])
    scene.fanout.send_events([row(2, "service")])
    assert quick.ids() == [1, 2]
    assert slow.sends == 1, "the second one waits behind the rest of the first"
    slow.read(None)
    scene.fanout.send_events([row(3, "service")])
    assert slow.ids() == quick.ids() == [1, 2, 3]
    assert slow.sends == 2


async def test_a_broken_connection_harms_nobody_else() -> None:
    scene = Scene()
    broken, well = scene.client(), scene.client()
    broken.gone = True
    scene.fanout.send_events([row(1, "service")])
    scene.fanout.send_events([row(2, "service")])
    assert broken.ends == [End.WRITE_FAILED]
    assert broken.sends == 1
    assert well.ids() == [1, 2]


async def test_who_breaks_off_in_the_middle_of_a_message_harms_nobody_else() -> None:
    scene = Scene()
    broken, well = scene.client(), scene.client()
    scene.fanout.send_events([row(1, "service")])
    broken.room = 10
    broken.vanishes = True
    scene.fanout.send_events([row(2, "service")])
    assert broken.ends == [End.WRITE_FAILED]
    assert well.ids() == [1, 2]


async def test_who_has_read_further_by_its_replay_waits_for_the_others() -> None:
    scene = Scene()
    ahead, behind = scene.client(position=5), scene.client()
    for number in range(1, 8):
        scene.fanout.send_events([row(number, "service")])
    assert ahead.ids() == [6, 7]
    assert behind.ids() == [1, 2, 3, 4, 5, 6, 7]


async def test_a_message_of_ones_own_goes_between_the_shared_ones() -> None:
    scene = Scene()
    client = scene.client(encoding=Gzip())
    scene.fanout.send_events([row(1, "service", 3000)])
    client.stream.offer(frames.log({"text": "mine"}))
    scene.fanout.send_events([row(2, "service")])
    client.stream.end(End.SHUTDOWN)
    assert [message.name for message in client.messages()] == ["hello", "service", "log", "service", "bye"]


async def test_a_stream_that_ends_in_company_ends_in_order() -> None:
    scene = Scene()
    clients = [scene.client(encoding=Gzip()) for _ in range(2)]
    for number in range(1, 5):
        scene.fanout.send_events([row(number, "service", 800 * number)])
    clients[0].stream.end(End.KICKED)
    scene.fanout.send_events([row(5, "service")])
    clients[1].stream.end(End.KICKED)
    assert clients[0].ids() == [1, 2, 3, 4]
    assert clients[1].ids() == [1, 2, 3, 4, 5]


async def test_an_empty_cohort_is_forgotten_with_what_it_has_counted() -> None:
    scene = Scene()
    client = scene.client()
    scene.fanout.send_events([row(1, "service")])
    client.stream.end(End.KICKED)
    scene.fanout.send_events([row(2, "service")])
    assert scene.tally.total.events == 1
    assert not scene.fanout._cohorts


async def test_in_a_burst_a_client_that_has_just_read_gets_a_moment_and_one_that_has_not_gets_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene()
    reads, well = scene.client(), scene.client()
    assert not scene.fanout.is_catching_up()
    reads.room = 0
    number = 0
    while not scene.fanout.is_catching_up():
        scene.fanout.send_events([row(number := number + 1, "service", 10_000)])
    assert not reads.ends
    assert len(well.ids()) == number
    with monkeypatch.context() as patched:
        patched.setattr(subscription, "CATCH_UP_SECONDS", 0.0)
        assert not scene.fanout.is_catching_up(), "it has had its moment"
    reads.read(None)
    assert not scene.fanout.is_catching_up()
    assert reads.ids() == well.ids()


async def test_the_more_end_at_once_the_longer_they_are_told_to_wait() -> None:
    waits = []
    for spread in (4.0, 20.0):
        scene = Scene()
        clients = [scene.client() for _ in range(300)]
        for client in clients:
            client.stream.end(End.SHUTDOWN, spread_seconds=spread)
        byes = [next(m for m in client.messages() if m.name == "bye").data["retry_ms"] for client in clients]
        assert min(byes) >= 1000
        waits.append(max(byes))
    assert 4000 < waits[0] <= 5000
    assert 18_000 < waits[1] <= 21_000


NOBODY_IN_PARTICULAR = st.integers(0, 5)
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("events"),
            st.lists(st.tuples(st.sampled_from(TOPICS), st.integers(0, 2500)), min_size=1),
        ),
        st.tuples(st.just("tick"), st.integers(0, 9)),
        st.tuples(st.just("own"), NOBODY_IN_PARTICULAR),
        st.tuples(st.just("block"), NOBODY_IN_PARTICULAR, st.integers(0, 4000)),
        st.tuples(st.just("read"), NOBODY_IN_PARTICULAR, st.one_of(st.none(), st.integers(0, 6000))),
        st.tuples(st.just("join"), st.sets(st.sampled_from(TOPICS), min_size=1), st.booleans()),
        st.tuples(st.just("end"), NOBODY_IN_PARTICULAR),
    ),
    max_size=40,
)


class Crowd(Scene):
    """Clients to whom anything may happen, and what each of them has to get."""

    def __init__(self) -> None:
        super().__init__()
        self.clients: list[Client] = []
        self.events: dict[Client, list[int]] = {}
        self.own: dict[Client, int] = {}
        self.newest = 0

    def some(self, which: int) -> Client | None:
        open_ones = [client for client in self.clients if not client.ends]
        return open_ones[which % len(open_ones)] if open_ones else None

    def on_events(self, wanted: list[tuple[str, int]]) -> None:
        rows = [row(self.newest + number, *one) for number, one in enumerate(wanted, start=1)]
        self.newest = rows[-1].id
        for client in self.clients:
            if not client.ends:
                self.events[client] += [one.id for one in rows if one.topic in client.stream.topics]
        self.fanout.send_events(rows)

    def on_tick(self, value: int) -> None:
        values = {"s": [float(value), 1.0]}
        self.fanout.send_tick(Measured("n", "now", values), values)
        self.fanout.send_heartbeat(frames.heartbeat(server_time="now", database_away=False))

    def on_own(self, which: int) -> None:
        if client := self.some(which):
            self.own[client] += 1
            client.stream.offer(frames.log({"text": "mine"}))

    def on_block(self, which: int, room: int) -> None:
        if client := self.some(which):
            client.room = room

    def on_read(self, which: int, size: int | None) -> None:
        if client := self.some(which):
            client.read(size)

    def on_join(self, topics: set[str], zipped: bool) -> None:
        encoding = Gzip() if zipped else Identity()
        client = self.client(*topics, encoding=encoding, position=self.newest)
        self.clients.append(client)
        self.events[client], self.own[client] = [], 0

    def on_end(self, which: int) -> None:
        if client := self.some(which):
            client.read(None)
            client.stream.end(End.KICKED)


@settings(deadline=None)
@given(STEPS)
def test_whatever_happens_everybody_gets_all_of_its_events_once_and_in_order(steps: list[Any]) -> None:
    asyncio.run(_live_through(steps))


async def _live_through(steps: list[Any]) -> None:
    crowd = Crowd()
    for what, *values in steps:
        getattr(crowd, f"on_{what}")(*values)
    total = Count()
    for client in crowd.clients:
        client.read(None)
        client.stream.end(End.KICKED)
        assert client.ids() == crowd.events[client]
        assert sum(message.name == "log" for message in client.messages()) == crowd.own[client]
        assert client.stream.sent.events == len(crowd.events[client])
        total = total.plus(client.stream.sent)
    assert crowd.tally.total == total
