"""One stream: order, no doubles, and a bound on what is kept for a client that does not read."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medimgr.events import frames, subscription
from medimgr.events.opening import Listener, Opening
from medimgr.events.subscription import End, Subscription
from tests.events.sse import Message, SseParser

NOBODY = Listener(user_id=1, session_key="s", auth_hash="h", rights=frozenset())
HELLO = frames.message("hello", {})


class Memory:
    """A sink that keeps what it is given, and can be told that its client does not read."""

    def __init__(self) -> None:
        self.stream: Subscription | None = None
        self.chunks: list[bytes] = []
        self.finished = 0
        self.stuck = False
        self.broken = False

    def write(self, chunk: bytes) -> None:
        if self.broken:
            raise ConnectionResetError
        self.chunks.append(chunk)
        if self.stuck and self.stream is not None:
            self.stream.pause()

    def write_raw(self, wire: bytes) -> None:
        raise AssertionError("Nothing was written directly.")

    def direct(self) -> None:
        return None

    def finish(self) -> None:
        self.finished += 1

    def read(self) -> list[Message]:
        return SseParser().feed(b"".join(self.chunks))

    def ids(self) -> list[int]:
        return [int(message.id) for message in self.read() if message.name == "service"]


def event(event_id: int, size: int = 0) -> bytes:
    return frames.event(event_id, "service", "k", {"x": "x" * size})


def opening(since: int, position: int, *replayed: int, reset: bool = False) -> Opening:
    return Opening(
        connection=1,
        topics=frozenset({"service"}),
        position=position,
        since=since,
        replay=tuple((number, event(number)) for number in replayed),
        reset=reset,
        listener=NOBODY,
    )


class Scene:
    """A subscription with its sink, and the reasons it ended for."""

    def __init__(self) -> None:
        self.ends: list[End] = []
        self.sink = Memory()
        self.stream = Subscription(
            token="t", topics=["service"], max_age=60, on_end=lambda _stream, reason: self.ends.append(reason)
        )
        self.sink.stream = self.stream

    def open(self, start: Opening) -> None:
        self.stream.admit(start)
        self.stream.open(self.sink, HELLO, [])


async def test_what_happens_while_the_replay_is_read_is_neither_lost_nor_doubled() -> None:
    scene = Scene()
    for number in (8, 9, 10, 11):  # 8 and 9 are in the replay too
        scene.stream.offer_event(number, "service", event(number))
    scene.open(opening(5, 9, 6, 7, 8, 9))
    scene.stream.offer_event(11, "service", event(11))
    scene.stream.offer_event(12, "service", event(12))
    assert scene.sink.ids() == [6, 7, 8, 9, 10, 11, 12]
    assert scene.stream.events_sent == 7


async def test_a_reset_comes_after_the_greeting_and_before_anything_else() -> None:
    scene = Scene()
    scene.stream.offer_event(21, "service", event(21))
    scene.open(opening(20, 20, reset=True))
    assert [message.name for message in scene.sink.read()] == ["hello", "reset", "service"]


async def test_events_wait_for_a_client_that_reads_slowly_and_keep_their_order() -> None:
    scene = Scene()
    scene.open(opening(0, 0))
    scene.sink.stuck = True
    for number in range(1, 6):
        scene.stream.offer_event(number, "service", event(number))
    assert scene.sink.ids() == [1]
    scene.stream.resume()
    assert scene.sink.ids() == [1, 2]
    scene.sink.stuck = False
    scene.stream.resume()
    assert scene.sink.ids() == [1, 2, 3, 4, 5]
    assert scene.stream.held_bytes == 0


async def test_a_slow_client_gets_only_the_latest_measurements() -> None:
    scene = Scene()
    scene.open(opening(0, 0))
    scene.stream.pause()
    for second in range(100):
        values = {"a": [float(second), 1.0]} | ({"b": [2.0, 2.0]} if second == 3 else {})
        scene.stream.offer_tick("n", f"at {second}", values, frames.tick("n", f"at {second}", values))
    assert scene.stream.held_bytes == 0
    scene.stream.resume()
    (tick,) = [message.data for message in scene.sink.read() if message.name == "tick"]
    assert tick == {"node": "n", "at": "at 99", "services": {"a": [99.0, 1.0], "b": [2.0, 2.0]}}


async def test_a_client_that_never_reads_is_dropped_at_the_bound() -> None:
    scene = Scene()
    scene.open(opening(0, 0))
    scene.stream.pause()
    number = 0
    while not scene.ends:
        number += 1
        scene.stream.offer_event(number, "service", event(number, 10_000))
        assert scene.stream.held_bytes <= subscription.MAX_HELD_BYTES
    assert scene.ends == [End.LAGGING]
    assert number * 10_000 > subscription.MAX_HELD_BYTES * 0.95
    assert scene.sink.read()[-1].data["reason"] == "lagging"
    assert scene.sink.finished == 1


async def test_a_stream_that_nobody_opens_is_bounded_too() -> None:
    scene = Scene()
    for number in range(200):
        scene.stream.offer_event(number, "service", event(number, 10_000))
    assert scene.ends == [End.LAGGING]
    assert scene.sink.chunks == []


async def test_a_stream_ends_once_and_says_so_once() -> None:
    scene = Scene()
    scene.open(opening(0, 0))
    scene.stream.end(End.SESSION_ENDED)
    scene.stream.end(End.SHUTDOWN)
    scene.stream.lose()
    scene.stream.offer_event(1, "service", event(1))
    scene.stream.resume()
    assert scene.ends == [End.SESSION_ENDED]
    assert [message.name for message in scene.sink.read()] == ["hello", "bye"]
    assert scene.sink.finished == 1
    assert scene.stream.ended is End.SESSION_ENDED


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (End.KICKED, "kicked"),
        (End.WORKER_LOST, "shutdown"),
        (End.SOURCE_FAILED, "shutdown"),
        (End.TOO_OLD, "too-old"),
    ],
)
async def test_only_somebody_elses_will_keeps_a_client_away(reason: End, told: str) -> None:
    scene = Scene()
    scene.open(opening(0, 0))
    scene.stream.end(reason)
    assert scene.sink.read()[-1].data["reason"] == told


async def test_a_broken_connection_ends_its_own_stream_and_raises_nothing() -> None:
    scene = Scene()
    scene.open(opening(0, 0))
    scene.sink.broken = True
    scene.stream.offer_event(1, "service", event(1))
    assert scene.ends == [End.WRITE_FAILED]


async def test_ending_cannot_fail_even_where_forgetting_does(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_stream: Subscription, _reason: End) -> None:
        raise OSError("no room")

    stream = Subscription(token="t", topics=[], max_age=60, on_end=fail)
    stream.lose()
    assert stream.ended is End.CLOSED
    assert "no room" in caplog.text


async def test_another_log_after_an_outage_starts_the_count_anew() -> None:
    scene = Scene()
    scene.open(opening(900, 900))
    scene.stream.start_over(3)
    scene.stream.offer_event(4, "service", event(4))
    assert [message.name for message in scene.sink.read()] == ["hello", "reset", "service"]


async def test_a_stream_that_is_being_opened_while_the_log_becomes_another_one_is_asked_to_come_again() -> (
    None
):
    scene = Scene()
    scene.stream.offer_event(901, "service", event(901))
    scene.stream.start_over(3)
    assert scene.stream.ended is End.SHUTDOWN


STEPS = st.lists(
    st.sampled_from(["event", "again", "stick", "free", "resume", "tick"]) | st.just("event"), max_size=60
)


@given(before=st.integers(0, 5), known=st.integers(0, 5), steps=STEPS)
def test_a_client_gets_every_event_once_and_in_order(before: int, known: int, steps: list[str]) -> None:
    async def play() -> None:
        scene = Scene()
        for number in range(1, before + 1):
            scene.stream.offer_event(number, "service", event(number))
        scene.open(opening(0, known, *range(1, known + 1)))
        newest = max(before, known)
        for step in steps:
            if step == "event":
                newest += 1
                scene.stream.offer_event(newest, "service", event(newest))
            elif step == "again":
                scene.stream.offer_event(newest, "service", event(newest))
            elif step == "tick":
                scene.stream.offer_tick(
                    "n", "at", {"k": [1.0, 1.0]}, frames.tick("n", "at", {"k": [1.0, 1.0]})
                )
            elif step == "resume":
                scene.stream.resume()
            else:
                scene.sink.stuck = step == "stick"
        scene.sink.stuck = False
        scene.stream.resume()
        assert scene.sink.ids() == list(range(1, newest + 1))

    asyncio.run(play())
