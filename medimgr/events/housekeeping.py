"""The thread of a web process that keeps the rows of its streams true.

It removes rows of streams that have ended, renews the worker's lease, clears up after dead workers,
writes down what was sent, and asks whether the listeners may still listen. All of it in batches, so that
nothing here grows with the number of streams but the size of a query.
"""

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import connection
from django.utils import timezone

from medimgr.events import connections, ledger, traffic
from medimgr.events.opening import Listener
from medimgr.events.sight import Look, look
from medimgr.events.standing import no_longer_entitled
from medimgr.events.subscription import End
from medimgr.events.tail import TROUBLE
from medimgr.lib.loops import LoopGone
from medimgr.lib.watched_thread import Replaced, Turn, WatchedThread

logger = logging.getLogger(__name__)

GATHER_SECONDS = 0.05
"""Streams that end within this time are removed together."""
RETRY_SECONDS = 1.0
AT_A_TIME = 100
"""So many streams are asked how far they have got, before the event loop has its turn."""
STEP_BACK_SECONDS = 0.004
THOROUGH_EVERY = 10
"""Of so many renewals of the lease one compares every row with its stream."""


@dataclass(frozen=True, slots=True)
class Checkup:
    """What a heartbeat tells about one stream."""

    token: str
    connection: int
    listener: Listener
    events_sent: int
    bytes_sent: int
    queued: int


class Progress(NamedTuple):
    """How far one stream has got."""

    connection: int
    events_sent: int
    bytes_sent: int
    queued: int


class Housekeeping:
    """Runs the thread, in which the functions that it is given are called; none may block."""

    def __init__(
        self,
        end_tokens: Callable[[dict[str, End]], None],
        live_tokens: Callable[[], set[str]],
        sent: Callable[[], traffic.Sent],
        progress: Callable[[], Iterable[Progress]],
        take_look: Callable[[Look], None],
    ) -> None:
        """Prepare; nothing happens before :meth:`start`."""
        self._take_look = take_look
        self._end_tokens = end_tokens
        self._live_tokens = live_tokens
        self._sent = sent
        self._progress = progress
        self._meter = traffic.Meter()
        self._counted = traffic.Meter()
        self._ledger = ledger.of_this_process
        self._written: dict[int, Progress] = {}
        self._lock = threading.Lock()
        self._ended: dict[str, End] = {}
        self._checkups: list[Checkup] | None = None
        self._due = threading.Event()
        self._stop = threading.Event()
        self._thread = WatchedThread("stream-housekeeping", self._run, self._note_stuck)
        self._next_renewal = 0.0
        self._renewals = 0
        self._in_trouble = False
        self.database_away = False

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Remove what is left, with the worker's own row, and end the thread. Idempotent."""
        self._stop.set()
        self._due.set()
        self._thread.join(timeout)

    def look(self) -> None:
        """Have another thread go on where this one is stuck or dead. See reader_watch.py."""
        self._thread.look()

    def remove(self, token: str, reason: End) -> None:
        """Have the row of a stream removed soon. Does not wait."""
        with self._lock:
            self._ended[token] = reason
        self._due.set()

    def check(self, checkups: list[Checkup]) -> None:
        """Have these streams written down and looked at soon; an older list not looked at is dropped."""
        with self._lock:
            self._checkups = checkups
        self._due.set()

    def _run(self, turn: Turn) -> None:
        while not self._stop.is_set():
            self._due.wait(max(0.0, self._next_renewal - time.monotonic()))
            self._stop.wait(GATHER_SECONDS)
            self._due.clear()
            try:
                self._pass(turn)
            except LoopGone:
                break
            except Replaced:
                raise
            except TROUBLE as error:
                self._note_trouble(error)
            except Exception:
                logger.exception("Housekeeping of the streams failed; it goes on.")
                self._stop.wait(RETRY_SECONDS)
        self._leave()

    def _pass(self, turn: Turn) -> None:
        if self.database_away:
            # Asking would only wait for timeouts, and SQLite would make an empty file. The connection goes,
            # since SQLite's would stay with a file that has been moved away.
            connection.close()
            self._stop.wait(RETRY_SECONDS)
            self._due.set()
            return
        with turn.asking():
            self._remove_ended()
        now = time.monotonic()
        if now >= self._next_renewal:
            self._next_renewal = now + connections.RENEW_SECONDS
            with turn.asking():
                self._renew(turn)
        with self._lock:
            checkups, self._checkups = self._checkups, None
        if checkups:
            with turn.asking():
                ends = self._look_at(checkups)
            if ends:
                self._end_tokens(ends)
        self._in_trouble = False

    def _remove_ended(self) -> None:
        with self._lock:
            ended = dict(self._ended)
        connections.give_back(ended)
        with self._lock:
            for token in ended:
                self._ended.pop(token, None)

    def _renew(self, turn: Turn) -> None:
        connections.forget_dead_workers()
        turn.heard()
        self._remove_ghosts()
        turn.heard()
        self._step_back()
        progress = self._record_progress(turn)
        connections.renew_lease(self._ledger, self._now(progress))
        turn.heard()
        self._step_back()
        self._record_traffic()

    def _step_back(self) -> None:
        """Let the event loop have the interpreter, which may be in the midst of a message to everybody."""
        self._stop.wait(STEP_BACK_SECONDS)

    def _remove_ghosts(self) -> None:
        """Remove rows without a stream. As long as their numbers agree, it is enough to look now and then."""
        self._renewals += 1
        if self._renewals % THOROUGH_EVERY and connections.own_count() == len(self._live_tokens()):
            return
        # Rows first, streams second: a stream is alive before its row exists, and dead before it goes.
        rows = connections.own_tokens()
        live = self._live_tokens()
        with self._lock:
            live.update(self._ended)  # removed in the next pass, each with its own reason
        connections.give_back({token: End.CLOSED for token in rows if token not in live})

    def _now(self, progress: list[Progress]) -> dict[str, Any]:
        """Return what the lease tells about the moment, having counted what was sent."""
        self._count_sent()
        return {
            "streams": len(progress),
            "queued_bytes": sum(stream.queued for stream in progress),
            "recent": self._ledger.recent(),
            **ledger.behind(self._ledger.figures),
        }

    def _count_sent(self) -> None:
        self._ledger.figures.sent(*self._counted.added(self._sent()))

    def _record_progress(self, turn: Turn) -> list[Progress]:
        """Write down how far streams have got; return it for all."""
        progress: list[Progress] = []
        left = iter(self._progress())
        while some := list(itertools.islice(left, AT_A_TIME)):
            progress += some
            self._step_back()
        connections.record_progress(
            stream for stream in progress if self._written.get(stream.connection) != stream
        )
        turn.heard()
        self._step_back()
        self._written = {stream.connection: stream for stream in progress}
        return progress

    def _record_traffic(self) -> None:
        added = self._meter.added(self._sent())
        if any(added):
            try:
                traffic.record(added, timezone.now())
            except Exception:
                self._meter.take_back(added)
                raise

    def _look_at(self, checkups: list[Checkup]) -> dict[str, End]:
        """Write down how far these streams have got; return which of them have to end, and why."""
        progress = [Progress(c.connection, c.events_sent, c.bytes_sent, c.queued) for c in checkups]
        connections.record_pings(progress, timezone.now())
        self._written.update({stream.connection: stream for stream in progress})
        rows = connections.own_tokens()
        gone = [c for c in checkups if c.token not in rows]
        # What the log says of it may not have been read yet: who was ended by somebody has to hear so.
        why = connections.why_removed(c.connection for c in gone) if gone else {}
        ends = {c.token: why.get(c.connection, End.WORKER_LOST) for c in gone}
        unentitled = no_longer_entitled({c.token: c.listener for c in checkups})
        ends.update(dict.fromkeys(unentitled, End.SESSION_ENDED))
        if any(not c.listener.scope.is_everything for c in checkups):
            self._take_look(look())
        return ends

    def _note_stuck(self, seconds: float) -> None:
        logger.warning(
            "No answer about the rows of streams for %g s, so another thread goes on with them. "
            "Is the database server frozen, its disk, the network?",
            seconds,
        )

    def _note_trouble(self, error: Exception) -> None:
        connection.close()
        if not self._in_trouble:
            logger.warning("The rows of streams cannot be written; trying again until they can. %s", error)
        self._in_trouble = True
        self._due.set()
        self._stop.wait(RETRY_SECONDS)

    def _leave(self) -> None:
        try:
            if not self.database_away:
                self._remove_ended()
                self._record_traffic()
                self._count_sent()
                connections.retire(self._ledger)
        except TROUBLE as error:
            logger.warning("The rows of this worker's streams stay until its lease runs out. %s", error)
        finally:
            connection.close()
