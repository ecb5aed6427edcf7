"""The one reader of the event log in a web process: a thread that waits for commits and hands rows on.

It has a database connection of its own, and survives the database being away or silent: it says so, and
goes on from the event that it read last as soon as there is a database again.
"""

import contextlib
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import DatabaseError, InterfaceError, connection

from medimgr.events import figures, frames
from medimgr.events.audience import GONE, Audience, Hearing, audience_of
from medimgr.events.log import last_event_id
from medimgr.events.models import Event, Tick
from medimgr.events.topics import is_limited
from medimgr.lib.loops import LoopGone
from medimgr.lib.scope import Scope
from medimgr.lib.units import iso
from medimgr.lib.wake import open_wake
from medimgr.lib.watched_thread import Replaced, Turn, WatchedThread

logger = logging.getLogger(__name__)

ROWS_AT_ONCE = 500
"""Events that are read with one query."""
BATCH_BYTES = 64 * 1024
"""Encoded events that are handed on at once. More would look to every client's bound like lagging."""
IDLE_SECONDS = 1.0
"""Without any commit, the reader looks this often whether its database file is still the same one."""
RETRY_SECONDS = 0.5

TROUBLE = (DatabaseError, InterfaceError, sqlite3.Error, OSError)
"""What a database that is away, or has been replaced, makes itself felt by."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the event log."""

    id: int
    topic: str
    key: str
    data: dict[str, Any]
    chunk: bytes
    """The row as all streams get it that are not limited."""
    at: datetime
    audience: Audience | None = None
    """None for what everybody hears of who follows the topic."""

    def told(self, scope: Scope) -> bytes | None:
        """Return the row as somebody with ``scope`` gets it; None where he gets nothing."""
        if self.audience is None or not scope.hides_something:
            return self.chunk
        hearing = self.audience.hearing(scope)
        if hearing is Hearing.LOSS:
            return frames.event(self.id, self.topic, self.key, GONE)
        return self.chunk if hearing is Hearing.ALL else None


@dataclass(frozen=True, slots=True)
class Measured:
    """The latest tick of one node."""

    node: str
    at: str
    values: dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class Batch:
    """What the reader hands on. ``restarted``: the log is another one, older positions mean nothing."""

    position: int
    rows: list[Row] = field(default_factory=list)
    ticks: list[Measured] = field(default_factory=list)
    restarted: bool = False


class DatabaseReplaced(OSError):
    """The database file is not the one that was opened."""


class Reader:
    """Runs the thread. ``deliver`` and ``report_away`` are called in it; deliver may make it wait."""

    def __init__(self, deliver: Callable[[Batch], None], report_away: Callable[[bool], None]) -> None:
        """Prepare; nothing is read before :meth:`start`."""
        self._deliver = deliver
        self._report_away = report_away
        self._stop = threading.Event()
        self._thread = WatchedThread("event-reader", self._run, self._note_stuck)
        self._position: int | None = None
        self._tick_times: dict[str, Any] = {}
        self._ticks_seen: list[tuple[Any, ...]] = []
        """As the database gives them: to be compared, not read."""
        self._away = False

    def start(self) -> None:
        """Start the thread. Its first batch tells the position that it reads from, with all ticks."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """End the thread and wait for it, ``timeout`` seconds at most. Idempotent."""
        self._stop.set()
        self._thread.join(timeout)

    def look(self) -> None:
        """Have another thread read on where this one is stuck or dead. See reader_watch.py."""
        self._thread.look()

    def _run(self, turn: Turn) -> None:
        try:
            while not self._stop.is_set():
                self._read_and_report(turn)
                self._stop.wait(RETRY_SECONDS)
        except LoopGone:
            return

    def _read_and_report(self, turn: Turn) -> None:
        try:
            self._read_until_trouble(turn)
        except (LoopGone, Replaced):
            raise
        except TROUBLE as error:
            self._note_away(True, error)
        except Exception:
            logger.exception("The event reader failed; it starts again.")
            self._note_away(True, None)
        finally:
            connection.close()

    def _note_stuck(self, seconds: float) -> None:
        self._note_away(
            True, f"No answer for {seconds:g} s: is the database server frozen, its disk, the network?"
        )

    def _note_away(self, away: bool, error: Exception | str | None) -> None:
        if away == self._away:
            return
        self._away = away
        if away:
            logger.warning("The event log cannot be read; trying again until it can. %s", error or "")
        else:
            logger.warning("The event log can be read again.")
        self._report_away(away)

    def _read_until_trouble(self, turn: Turn) -> None:
        with contextlib.ExitStack() as held:
            with turn.asking():
                wake = held.enter_context(contextlib.closing(open_wake()))
                identity = _file_identity()
            self._begin(turn)
            self._note_away(False, None)
            while not self._stop.is_set():
                self._read_on(turn)
                with turn.asking():
                    wake.wait(IDLE_SECONDS, self._stop)
                    if _file_identity() != identity:
                        raise DatabaseReplaced("The database file has been replaced.")

    def _begin(self, turn: Turn) -> None:
        """Find the position to read from: the end of the log at first, the old one after an outage."""
        with turn.asking():
            newest = last_event_id()
            measured = list(Tick.objects.all())
        if self._position is None:
            self._position = newest
            self._deliver(Batch(newest, ticks=self._new_ticks(measured)))
        elif newest < self._position:
            # Restored from a backup, or emptied: ids may be used again.
            self._position = newest
            self._tick_times.clear()
            self._deliver(Batch(newest, ticks=self._new_ticks(measured), restarted=True))

    def _read_on(self, turn: Turn) -> None:
        while not self._stop.is_set():
            with turn.asking():
                rows = self._read_rows()
            for batch in _batches(rows):
                self._deliver(Batch(batch[-1].id, batch))
                self._position = batch[-1].id
            with turn.asking():
                measured = self._read_ticks()
            if ticks := self._new_ticks(measured):
                self._deliver(Batch(self._position or 0, ticks=ticks))
            figures.of_this_process.looked(self._position or 0)
            if len(rows) < ROWS_AT_ONCE:
                return

    # Every commit of anybody wakes the reader, and most are about neither: it looks with the least that a
    # query can cost, and asks for what there is by Django's ways then.

    def _read_rows(self) -> list[Row]:
        position = self._position or 0
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM events_event WHERE id > %s LIMIT 1", [position])
            if cursor.fetchone() is None:
                return []
        fields = Event.objects.after(position).values_list("id", "topic", "key", "data", "at", "labels")
        return [_row(*row) for row in fields[:ROWS_AT_ONCE]]

    def _read_ticks(self) -> list[Tick]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT node, at FROM events_tick ORDER BY node")
            times = cursor.fetchall()
        if times == self._ticks_seen:
            return []
        measured = list(Tick.objects.all())
        self._ticks_seen = times
        return measured

    def _new_ticks(self, measured: Iterable[Tick]) -> list[Measured]:
        found = []
        for tick in measured:
            if self._tick_times.get(tick.node) != tick.at:
                self._tick_times[tick.node] = tick.at
                found.append(Measured(tick.node, iso(tick.at) or "", tick.data))
        return found


def _row(event_id: int, topic: str, key: str, data: dict[str, Any], at: datetime, labels: str) -> Row:
    audience = audience_of(labels) if is_limited(topic) else None
    return Row(event_id, topic, key, data, frames.event(event_id, topic, key, data), at, audience)


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    batch: list[Row] = []
    size = 0
    for row in rows:
        if batch and size + len(row.chunk) > BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += len(row.chunk)
    if batch:
        yield batch


def _file_identity() -> tuple[int, int] | None:
    """Return which file SQLite's database is; None for a server. Raises OSError where it is gone."""
    if connection.vendor != "sqlite":
        return None
    status = os.stat(connection.settings_dict["NAME"])
    return status.st_dev, status.st_ino
