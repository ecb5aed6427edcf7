"""One stream: what it is entitled to, where it has got to, and what its client has not taken yet.

Lives in the event loop's thread alone. Three stages: *pending* while the admission reads the
replay (what happens meanwhile is kept), *open* once a sink takes its bytes, *ended* for good.
"""

import logging
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from enum import StrEnum
from typing import Any

from medimgr.events import frames
from medimgr.events.audience import Told
from medimgr.events.cohort import NOTHING, Cohort, Count, Tally, Write
from medimgr.events.encoding import Encoding, Identity
from medimgr.events.opening import Opening
from medimgr.events.sink import Sink
from medimgr.lib.scope import EVERYTHING

logger = logging.getLogger(__name__)

MAX_HELD_BYTES = 1024 * 1024
"""What is kept for a client that does not read. Beyond it the stream ends; a reconnect replays."""
SPREAD_SECONDS = 4.0
"""Over so long a time the clients of streams that end come back, unless told otherwise."""
CATCH_UP_SECONDS = 0.15
"""So long a client that reads may need for what it was sent at once; in a burst the others wait for it."""


class End(StrEnum):
    """Why a stream ended. The first five are what a client is told in ``bye``."""

    SHUTDOWN = "shutdown"
    SESSION_ENDED = "session-ended"
    TOO_OLD = "too-old"
    LAGGING = "lagging"
    KICKED = "kicked"
    BEACON = "beacon"
    """The page said that it goes away."""
    CLOSED = "closed"
    """The client closed its connection."""
    WRITE_FAILED = "write-failed"
    SOURCE_FAILED = "source-failed"
    """What it followed beside the event log, such as a log file, broke off."""
    WORKER_LOST = "worker-lost"
    """Its web worker died or lost its lease."""

    @classmethod
    def of(cls, reason: Any) -> "End":
        """Return what the log calls ``reason``: where it is none of these, somebody's own, so KICKED."""
        return cls(reason) if reason in set(cls) else cls.KICKED


_ONE_EVENT = Count(events=1)


def jitter(least: float, most: float) -> float:
    """Return a number between the two, so that many clients do not act at once."""
    return least + (most - least) * secrets.randbelow(1001) / 1000


class Subscription:
    """One stream of one client."""

    # There are thousands of them.
    __slots__ = (
        "_account",
        "_early",
        "_held",
        "_held_bytes",
        "_on_end",
        "_paused_at",
        "_position",
        "_sink",
        "_tally",
        "_ticks",
        "began",
        "encoding",
        "ended",
        "has_row",
        "max_age",
        "on_leave",
        "opening",
        "scope",
        "token",
        "topics",
    )

    def __init__(
        self,
        *,
        token: str,
        topics: Iterable[str],
        max_age: float,
        on_end: Callable[["Subscription", End], None],
        encoding: Encoding | None = None,
        tally: Tally | None = None,
    ) -> None:
        """Begin as pending, with all ``topics`` that it may turn out to follow.

        ``on_end`` is called once, in the loop, whatever ends the stream.

        Without ``encoding`` messages go out as they are. What it is sent by itself is added to ``tally``."""
        self.token = token
        self.topics = frozenset(topics)
        self.began = time.monotonic()
        self.max_age = max_age
        self.has_row = False
        """Whether the admission may have inserted a row. The one attribute that its thread writes."""
        self.opening: Opening | None = None
        self.scope = EVERYTHING
        """What it may hear of; the admission says so."""
        self.ended: End | None = None
        self.on_leave: Callable[[Subscription], None] = _nobody
        """Called when the stream leaves its cohort and goes on, to be served by itself."""
        self._tally = tally or Tally()
        self._account: tuple[Count, Cohort | None, Count] = (NOTHING, None, NOTHING)
        """What it was sent by itself, its cohort, and where that was when it joined. Replaced as a whole,
        since other threads read it."""
        self.encoding = encoding or Identity()
        self._on_end = on_end
        self._sink: Sink | None = None
        self._position = 0
        self._paused_at: float | None = None
        self._early: list[tuple[int, str, bytes, Told | None]] | None = None
        self._held: deque[bytes] | None = None
        self._held_bytes = 0
        self._ticks: dict[str, tuple[str, dict[str, list[float]]]] | None = None

    @property
    def sent(self) -> Count:
        """Return what has been handed over. For any thread."""
        own, cohort, joined = self._account
        return own if cohort is None else own.plus(cohort.count.since(joined))

    @property
    def events_sent(self) -> int:
        """Return how many events have been handed over. For any thread."""
        return self.sent.events

    @property
    def bytes_sent(self) -> int:
        """Return what was handed to the sink, compressed where the stream is. For any thread."""
        return self.sent.encoded

    @property
    def bytes_saved(self) -> int:
        """Return what compression has made of that less; it can cost a few where all messages are small."""
        sent = self.sent
        return sent.plain - sent.encoded

    @property
    def is_open(self) -> bool:
        """Return whether a client is being served."""
        return self._sink is not None and self.ended is None

    @property
    def is_lagging(self) -> bool:
        """Return whether the client has not taken yet what it was sent."""
        return self._paused_at is not None

    @property
    def is_catching_up(self) -> bool:
        """Return whether much waits for a client that has only just stopped taking all that it is sent."""
        return (
            self._paused_at is not None
            and self._held_bytes > MAX_HELD_BYTES / 4
            and time.monotonic() - self._paused_at < CATCH_UP_SECONDS
        )

    @property
    def held_bytes(self) -> int:
        """Return how much is waiting for the client, beside what its transport holds."""
        return self._held_bytes

    # --- opening -------------------------------------------------------------------------------
    def admit(self, opening: Opening) -> None:
        """Take what the admission has read; the stream is still pending."""
        self.opening = opening
        self.topics = opening.topics
        self.scope = opening.listener.scope
        self._position = opening.position

    def open(self, sink: Sink, first: bytes, ticks: Iterable[bytes]) -> None:
        """Start serving: ``first`` (hello), reset, replay, ``ticks``, then what came in meanwhile."""
        opening = self.opening
        if opening is None:
            raise RuntimeError("A stream is opened after it has been admitted.")
        self._sink = sink
        parts = [first]
        if opening.reset:
            parts.append(frames.reset(opening.since))
        events = [*opening.replay]
        for event_id, topic, chunk, told in self._early or ():
            missed = event_id > self._position and topic in self.topics
            if missed and (mine := self._as_told(chunk, told)) is not None:
                events.append((event_id, mine))
        parts.extend(chunk for _, chunk in events)
        parts.extend(ticks)
        self._early = None
        self._held_bytes = 0
        if events:
            self._position = max(self._position, events[-1][0])
        self._note(Count(events=len(events)))
        self.opening = replace(opening, replay=())
        self._write(b"".join(parts))

    def _as_told(self, chunk: bytes, told: Told | None) -> bytes | None:
        return told(self.scope) if told is not None and self.scope.hides_something else chunk

    # --- in company ----------------------------------------------------------------------------
    def write_shared(self, position: int) -> Write | None:
        """Return how to write what is shared, None where the stream has to be served by itself at present.

        It can be shared with who has had all events up to ``position``.
        """
        if self._sink is None or self.is_lagging or self._held or self._ticks or self._position > position:
            return None
        return self._sink.direct()

    def join(self, cohort: Cohort, write: Write) -> None:
        """Get what ``cohort`` gets, from now on."""
        cohort.add(self, write)
        self._account = (self._account[0], cohort, cohort.count)

    def fall_behind(self, wire: bytes) -> None:
        """Called by the cohort: the socket has not taken ``wire`` of what the others got."""
        sink = self._sink
        self._leave()
        if sink is None:
            return
        try:
            sink.write_raw(wire)
        except Exception as error:
            self.break_off(error)

    def break_off(self, error: Exception) -> None:
        """Called where a write failed: a broken connection must not harm the others of the same message."""
        logger.info("A stream could not be written to: %r", error)
        self.lose(End.WRITE_FAILED)

    def _leave(self) -> None:
        own, cohort, joined = self._account
        if cohort is None:
            return
        cohort.discard(self)
        shared = cohort.count.since(joined)
        self._account = (own.plus(shared), None, NOTHING)
        self._position = max(self._position, cohort.position)
        if shared.plain and self.ended is None:
            self.encoding.passed(joined.checksum, cohort.count.checksum, shared.plain)
        self.on_leave(self)

    def _note(self, sent: Count) -> None:
        own, cohort, joined = self._account
        self._account = (own.plus(sent), cohort, joined)
        self._tally.add(sent)

    # --- delivery ------------------------------------------------------------------------------
    def offer_event(self, event_id: int, topic: str, chunk: bytes, told: Told | None = None) -> None:
        """Take one event of a topic of this stream; one that it has had already is passed over.

        Who is limited gets what ``told`` makes of it; without, everybody gets the same.
        """
        if self.ended is not None:
            return
        if self._sink is None:
            self._early = self._early or []
            self._early.append((event_id, topic, chunk, told))
            self._hold_bytes(len(chunk))
        elif event_id > self._position:
            self._position = event_id
            mine = self._as_told(chunk, told)
            if mine is not None:
                self._note(_ONE_EVENT)
                self.offer(mine)

    def offer_tick(self, node: str, at: str, changed: dict[str, list[float]], chunk: bytes) -> None:
        """Take measurements. A slow client gets the latest of each service once it reads again."""
        if not self.is_open:
            return
        if self.is_lagging:
            self._ticks = self._ticks or {}
            self._ticks[node] = (at, {**self._ticks.get(node, ("", {}))[1], **changed})
        else:
            self._write(chunk)

    def offer(self, chunk: bytes) -> None:
        """Take a message that has to arrive: at once, or as soon as the client reads again."""
        if not self.is_open:
            return
        if self.is_lagging:
            self._held = self._held or deque()
            self._held.append(chunk)
            self._hold_bytes(len(chunk))
        else:
            self._write(chunk)

    def offer_heartbeat(self, chunk: bytes) -> None:
        """Take a heartbeat; one that cannot go out now is pointless."""
        if self.is_open and not self.is_lagging:
            self._write(chunk)

    def pause(self) -> None:
        """Called by the sink: the client does not take more at present."""
        if self._paused_at is None:
            self._paused_at = time.monotonic()

    def resume(self) -> None:
        """Called by the sink: all that was written has been taken."""
        self._paused_at = None
        while self._held and not self.is_lagging and self.ended is None:
            chunk = self._held.popleft()
            self._held_bytes -= len(chunk)
            self._write(chunk)
        while self._ticks and not self.is_lagging and self.ended is None:
            node, (at, changed) = self._ticks.popitem()
            self._write(frames.tick(node, at, changed))

    def _hold_bytes(self, size: int) -> None:
        self._held_bytes += size
        if self._held_bytes > MAX_HELD_BYTES:
            self.end(End.LAGGING)

    def _write(self, chunk: bytes) -> None:
        if self._sink is None:
            return
        self._leave()
        encoded = self.encoding.encode(chunk)
        self._note(Count(encoded=len(encoded), plain=len(chunk)))
        try:
            self._sink.write(encoded)
        except Exception as error:
            self.break_off(error)

    def start_over(self, position: int) -> None:
        """The log is another one since an outage: go on from ``position``, and tell the client.

        A pending stream ends, since its request may have read the other log: the client asks again.
        """
        if self._sink is None:
            self.lose(End.SHUTDOWN)
            return
        self._leave()
        self._position = position
        self.offer(frames.reset(position))

    # --- the end -------------------------------------------------------------------------------
    def end(self, reason: End, *, spread_seconds: float = SPREAD_SECONDS) -> None:
        """End the stream from this side, with a ``bye``. Idempotent; cannot raise.

        Many that end at once are told to come back one by one, within ``spread_seconds`` and one more.
        """
        if self.ended is None:
            sink = self._sink
            self._leave()
            self.lose(reason)
            if sink is not None:
                _say_bye(sink, self.encoding, reason, spread_seconds)

    def lose(self, reason: End = End.CLOSED) -> None:
        """End the stream without a word: nobody listens any more. Idempotent; cannot raise."""
        if self.ended is not None:
            return
        self.ended = reason
        self._leave()
        self._sink = None
        self._early = self._held = self._ticks = None
        self._held_bytes = 0
        try:
            self._on_end(self, reason)
        except Exception:
            logger.exception("Forgetting a stream failed; housekeeping will find its row.")


def _nobody(_stream: Subscription) -> None:
    """Nobody wants to know."""


# Who is told "kicked" stays away until somebody wants to come back; "shutdown" is nobody's fault.
_TOLD = {
    **{end: end for end in (End.SHUTDOWN, End.SESSION_ENDED, End.TOO_OLD, End.LAGGING, End.KICKED)},
    End.BEACON: End.KICKED,
}


def _say_bye(sink: Sink, encoding: Encoding, reason: End, spread_seconds: float) -> None:
    told = _TOLD.get(reason, End.SHUTDOWN)
    bye = frames.bye(told.value, retry_ms=round(jitter(1000, 1000 + 1000 * spread_seconds)))
    try:
        sink.write(encoding.encode(bye) + encoding.end())
    except Exception as error:
        logger.info("A bye could not be written: %r", error)
    sink.finish()
