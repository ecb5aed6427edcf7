"""Hands what the reader read to every stream of this process. One per event loop, so one per web worker.

Everything here runs in the loop's thread, and each message is encoded once for all streams.
"""

import asyncio
import atexit
import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from django.conf import settings
from django.utils import timezone

from medimgr.events import figures, frames
from medimgr.events.cohort import Tally
from medimgr.events.daphne_transport import before_shutdown, framed
from medimgr.events.desk import Desk
from medimgr.events.encoding import Encoding
from medimgr.events.exceptions import DatabaseAway, ShuttingDown
from medimgr.events.fanout import Fanout
from medimgr.events.housekeeping import Checkup, Housekeeping, Progress
from medimgr.events.opening import Opening
from medimgr.events.reader_watch import watch_over
from medimgr.events.sight import Sight
from medimgr.events.sink import Sink
from medimgr.events.sources import Ears, Heed, Outlet
from medimgr.events.subscription import SPREAD_SECONDS, End, Subscription, jitter
from medimgr.events.tail import Batch, Measured, Reader, Row
from medimgr.events.topics import TICK_TOPIC
from medimgr.events.traffic import Sent
from medimgr.lib.loops import LoopGone, background
from medimgr.lib.units import iso

logger = logging.getLogger(__name__)

READY_SECONDS = 5.0
PENDING_SECONDS = 10.0
"""A stream that was admitted and never opened belongs to a request that came to grief."""
STOP_SECONDS = 2.0
REMOVED_KEPT = 1000
"""So many removed rows are remembered for streams that are being opened."""
COME_BACK_RATE = 250.0
"""So many clients a second are told to come back after a restart: a quarter of what one worker admits."""
LOOK_SECONDS = 0.25
CATCH_UP_LOOK_SECONDS = 0.005


class Broadcaster:
    """The streams of one event loop, and the threads that serve them."""

    def __init__(self) -> None:
        """Start reading and housekeeping. Call it in the loop; use :func:`current`."""
        self._loop = asyncio.get_running_loop()
        self._streams: dict[str, Subscription] = {}
        self._removed: dict[int, str] = {}
        self._tally = Tally()
        self._sight = Sight()
        self._fanout = Fanout(framed, self._tally, self._sight)
        self._by_connection: dict[int, Subscription] = {}
        self._tasks: dict[str, list[asyncio.Task[None]]] = {}
        self._measured: dict[str, Measured] = {}
        self._ears = Ears()
        self.figures = figures.of_this_process
        self._ready = asyncio.Event()
        self._closing = False
        self.database_away = False
        self._reader = Reader(self._hand_over, self._threadsafe(self._note_away))
        self.housekeeping = Housekeeping(
            self._threadsafe(self._end_tokens),
            self._live_tokens,
            self._sent,
            self._progress,
            self._threadsafe(self._sight.take),
        )
        self.desk = Desk(self._threadsafe)
        self._reader.start()
        self.housekeeping.start()
        self._watch = watch_over(self._reader, self.housekeeping, self.desk)
        self._beat = background(self._beat_on(), name="stream-heartbeat", on_death=self._fail)
        atexit.register(self._stop_threads)
        before_shutdown(self.aclose)

    # --- a stream's life ---------------------------------------------------------------------------
    async def ready(self) -> None:
        """Wait until the reader has its position. Raises DatabaseAway and ShuttingDown."""
        if self._closing:
            raise ShuttingDown
        if self._ready.is_set():
            return
        try:
            async with asyncio.timeout(READY_SECONDS):
                await self._ready.wait()
        except TimeoutError:
            raise DatabaseAway from None

    def subscribe(self, token: str, topics: Iterable[str], encoding: Encoding | None = None) -> Subscription:
        """Begin a stream: from now on its events are kept for it. It is not entitled to any yet."""
        # Streams that began together end apart, and a stream never holds a place or a leak for ever.
        max_age = settings.MEDIMGR_STREAM_MAX_AGE_SECONDS * jitter(0.9, 1.1)
        stream = Subscription(
            token=token,
            topics=topics,
            max_age=max_age,
            on_end=self._forget,
            encoding=encoding,
            tally=self._tally,
        )
        self._streams[token] = stream
        self._fanout.add(stream)
        return stream

    def admit(self, stream: Subscription, opening: Opening) -> None:
        """Take what the admission found; a stream that has ended meanwhile stays ended."""
        if stream.ended is not None:
            return
        if opening.look is not None:
            self._sight.take(opening.look)
        stream.admit(opening)
        self._by_connection[opening.connection] = stream
        self.figures.opened(replayed_events=len(opening.replay), reset=opening.reset)
        if reason := self._removed.pop(opening.connection, None):
            self._end_removed(str(opening.connection), reason)

    def open(self, stream: Subscription, sink: Sink) -> None:
        """Serve an admitted stream: hello, reset or replay, all measurements, and on from there."""
        opening = stream.opening
        if stream.ended is not None or opening is None:
            return
        first = frames.hello(
            connection_id=stream.token,
            connection=opening.connection,
            heartbeat_seconds=settings.MEDIMGR_STREAM_HEARTBEAT_SECONDS,
            server_time=_now(),
            topics=stream.topics,
            last_event_id=opening.since,
            retry_ms=round(jitter(2000, 5000)),
        )
        ticks = self._measured.values() if TICK_TOPIC in stream.topics else ()
        parts = [(tick, self._sight.part_of(stream.scope, tick.values)) for tick in ticks]
        stream.open(sink, first, [frames.tick(tick.node, tick.at, part) for tick, part in parts if part])
        if stream.is_open and self.database_away:
            stream.offer_heartbeat(self._heartbeat())
        for source in opening.sources if stream.is_open else ():
            task = background(
                source.run(Outlet(stream, self._ears, partial(self._sight.reaches, stream.scope))),
                name=f"{source.name}-source of connection {opening.connection}",
                on_death=partial(stream.end, End.SOURCE_FAILED),
            )
            self._tasks.setdefault(stream.token, []).append(task)

    def _forget(self, stream: Subscription, reason: End) -> None:
        self._streams.pop(stream.token, None)
        if stream.opening is not None:
            logger.info(
                "Connection %d ended (%s) after %.0f s: %d events, %d bytes, %d saved by compression",
                stream.opening.connection,
                reason.value,
                time.monotonic() - stream.began,
                stream.events_sent,
                stream.bytes_sent,
                stream.bytes_saved,
            )
        self._fanout.discard(stream)
        if stream.opening is not None:
            self._by_connection.pop(stream.opening.connection, None)
            self.figures.ended(reason.value)
        for task in self._tasks.pop(stream.token, ()):
            task.cancel()
        if stream.has_row:
            self.housekeeping.remove(stream.token, reason)

    # --- for those who wait for something ----------------------------------------------------------
    def listening(self, topic: str, key: str, heed: Heed) -> AbstractContextManager[None]:
        """Call ``heed`` in the loop for each event about ``key``, for the length of the block.

        It also takes an empty event: where the log has begun anew, and where :attr:`is_closing`.
        """
        return self._ears.listening(topic, key, heed)

    @property
    def is_closing(self) -> bool:
        """Return whether nothing will be heard any more, since the process ends."""
        return self._closing

    # --- fan-out -----------------------------------------------------------------------------------
    def _take(self, batch: Batch) -> None:
        self._ready.set()
        if batch.restarted:
            self._measured.clear()
            self.figures.started_over(len(self._streams))
            for stream in list(self._streams.values()):
                stream.start_over(batch.position)
            self._ears.start_over()
            self._sight.start_over()
        self._sight.hear(batch.rows)
        began = time.perf_counter()
        for rows in _up_to_ends(batch.rows):
            self._fanout.send_events(rows)
            if _is_end(rows[-1]):
                self._end_removed(rows[-1].key, str(rows[-1].data.get("reason")))
        self._fanout.move_on(batch.position)
        self._ears.hear(batch.rows)
        if batch.rows and self._streams:
            self.figures.handed_over([row.at for row in batch.rows], began)
        for measured in batch.ticks:
            self._take_tick(measured)

    def _take_tick(self, measured: Measured) -> None:
        before = self._measured.get(measured.node)
        self._measured[measured.node] = measured
        values = before.values if before else {}
        changed = {key: value for key, value in measured.values.items() if values.get(key) != value}
        if not changed:
            return
        self.figures.delivered(figures.TICK, self._fanout.send_tick(measured, changed))

    def _end_removed(self, key: str, reason: str) -> None:
        """Somebody has removed the row of a stream, in whichever process: the stream follows it."""
        if not key.isdecimal():
            return
        stream = self._by_connection.get(int(key))
        if stream is None:  # another worker's; or one of ours, whose request has not heard yet that it is in
            self._removed[int(key)] = reason
            if len(self._removed) > REMOVED_KEPT:
                del self._removed[next(iter(self._removed))]
            return
        stream.has_row = False
        stream.end(End.of(reason))

    def _note_away(self, away: bool) -> None:
        self.database_away = away
        self.housekeeping.database_away = away
        self._fanout.send_heartbeat(self._heartbeat())

    # --- heartbeat ---------------------------------------------------------------------------------
    async def _beat_on(self) -> None:
        while True:
            await asyncio.sleep(settings.MEDIMGR_STREAM_HEARTBEAT_SECONDS)
            self._beat_once()

    def _beat_once(self) -> None:
        now = time.monotonic()
        self._fanout.send_heartbeat(self._heartbeat())
        checkups = []
        for stream in list(self._streams.values()):
            if stream.opening is None or not stream.is_open:
                if now - stream.began > PENDING_SECONDS:
                    stream.lose()
            elif now - stream.began > stream.max_age:
                stream.end(End.TOO_OLD)
            else:
                checkups.append(
                    Checkup(
                        stream.token,
                        stream.opening.connection,
                        stream.opening.listener,
                        stream.events_sent,
                        stream.bytes_sent,
                        stream.held_bytes,
                    )
                )
        self.figures.delivered(figures.HEARTBEAT, len(checkups))
        self.housekeeping.check(checkups)

    def _heartbeat(self) -> bytes:
        return frames.heartbeat(server_time=_now(), database_away=self.database_away)

    # --- between threads ---------------------------------------------------------------------------
    def _threadsafe(self, call: Callable[..., None]) -> Callable[..., None]:
        def in_the_loop(*arguments: Any) -> None:
            try:
                self._loop.call_soon_threadsafe(call, *arguments)
            except RuntimeError as error:  # asyncio's word for a closed loop
                raise LoopGone from error

        return in_the_loop

    def _hand_over(self, batch: Batch) -> None:
        """Called in the reader's thread: have the loop take ``batch``, and wait until it has sent it on.

        So a burst reaches the clients in pieces that they can take, and never piles up before the loop.
        """
        taken = threading.Event()

        def take() -> None:
            try:
                self._take(batch)
            finally:
                # Behind the sockets' turn in the loop.
                self._loop.call_soon(self._loop.call_soon, self._let_catch_up, taken.set)

        self._threadsafe(take)()
        while not taken.wait(LOOK_SECONDS):
            if self._closing or self._loop.is_closed():
                raise LoopGone

    def _let_catch_up(self, go_on: Callable[[], None]) -> None:
        """Call ``go_on`` as soon as no client is in the midst of a burst: 0.15 s later at most."""
        if self._fanout.is_catching_up() and not self._closing:
            self._loop.call_later(CATCH_UP_LOOK_SECONDS, self._let_catch_up, go_on)
        else:
            go_on()

    def _live_tokens(self) -> set[str]:
        return set(self._streams.copy())

    def _sent(self) -> Sent:
        """Return what this process has handed to streams since it began."""
        total = self._tally.total
        return Sent(total.events, total.encoded, total.plain - total.encoded)

    def _progress(self) -> Iterator[Progress]:
        """Yield how far each open stream has got. Called in housekeeping's thread."""
        for stream in list(self._streams.copy().values()):
            opening = stream.opening
            if opening is not None and stream.is_open:
                yield Progress(opening.connection, *stream.sent[:2], stream.held_bytes)

    def _end_tokens(self, ends: dict[str, End]) -> None:
        for token, reason in ends.items():
            if stream := self._streams.get(token):
                stream.end(reason)

    # --- the end -----------------------------------------------------------------------------------
    def _fail(self) -> None:
        """The heartbeat has died: start it again, since streams without it would look dead."""
        if not self._closing:
            self._beat = background(self._beat_on(), name="stream-heartbeat", on_death=self._fail)

    async def aclose(self) -> None:
        """Say bye to every stream, remove their rows, end the threads. Idempotent."""
        if self._closing:
            return
        self._closing = True
        self._beat.cancel()
        self._watch.cancel()
        spread = max(SPREAD_SECONDS, len(self._streams) / COME_BACK_RATE)
        for stream in list(self._streams.values()):
            stream.end(End.SHUTDOWN, spread_seconds=spread)
        self._ears.start_over()
        await asyncio.get_running_loop().run_in_executor(None, self._stop_threads)

    def _stop_threads(self) -> None:
        atexit.unregister(self._stop_threads)
        self._closing = True
        self.desk.close(STOP_SECONDS)
        self.housekeeping.stop(STOP_SECONDS)
        self._reader.stop(STOP_SECONDS)


_by_loop: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Broadcaster]" = weakref.WeakKeyDictionary()


def current() -> Broadcaster:
    """Return the broadcaster of the running loop, started with its first use. No query."""
    loop = asyncio.get_running_loop()
    if loop not in _by_loop:
        _by_loop[loop] = Broadcaster()
    return _by_loop[loop]


async def close_current() -> None:
    """Close the broadcaster of the running loop, where one has been started. Streams are said bye to."""
    broadcaster = _by_loop.get(asyncio.get_running_loop())
    if broadcaster is not None:
        await broadcaster.aclose()


def _up_to_ends(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Cut ``rows`` behind each that says that somebody's stream has been ended: they get no later one."""
    part: list[Row] = []
    for row in rows:
        part.append(row)
        if _is_end(row):
            yield part
            part = []
    if part:
        yield part


def _is_end(row: Row) -> bool:
    return row.topic == "connection" and row.data.get("connected") is False


def _now() -> str:
    return iso(timezone.now()) or ""
