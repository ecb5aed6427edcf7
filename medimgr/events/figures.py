"""What one web worker counts about its streams. Attributes that only grow, cheap enough for the hot path.

Written in the event loop's thread alone; housekeeping reads them in its own, where a sum that is one
message old does no harm. What happens to them in the database is told in :mod:`medimgr.events.ledger`.
"""

import time
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from medimgr.events.histogram import Histogram

TICK = "tick"
HEARTBEAT = "heartbeat"
KINDS = ("event", TICK, HEARTBEAT)


class Figures:
    """The counters of one process, from its start on."""

    def __init__(self) -> None:
        """Begin at nothing."""
        self.streams_opened = 0
        self.streams_refused: Counter[str] = Counter()
        self.streams_ended: Counter[str] = Counter()
        self.offered: Counter[str] = Counter()
        self.events = self.bytes_wire = self.bytes_saved = 0
        self.replays = self.replayed_events = self.resets = 0
        self.latency = Histogram()
        self.fan_out = Histogram()
        self.position = 0
        self.looked_at: float | None = None
        """When the reader last got an answer from the log, on the monotonic clock."""

    # --- a stream's life ---------------------------------------------------------------------------
    def opened(self, *, replayed_events: int, reset: bool) -> None:
        """Count a stream that has its place, the events it missed, and whether it has to begin anew."""
        self.streams_opened += 1
        if replayed_events:
            self.replays += 1
            self.replayed_events += replayed_events
        self.resets += reset

    def refused(self, code: str) -> None:
        """Count a stream that was not given, by the code of the problem."""
        self.streams_refused[code] += 1

    def ended(self, reason: str) -> None:
        """Count the end of a stream that was :meth:`opened`."""
        self.streams_ended[reason] += 1

    def started_over(self, streams: int) -> None:
        """Count streams that were told to begin anew while they were open."""
        self.resets += streams

    # --- delivery ----------------------------------------------------------------------------------
    def handed_over(self, published: Iterable[datetime], began: float) -> None:
        """Count events that all streams now have been handed, the last one just now.

        ``published`` is when each was; ``began``, on ``time.perf_counter()``, when their fan-out did.
        """
        self.fan_out.observe(time.perf_counter() - began)
        now = time.time()
        for at in published:
            self.latency.observe(now - at.timestamp())

    def delivered(self, kind: str, streams: int) -> None:
        """Count a tick or heartbeat that was offered to so many streams."""
        self.offered[kind] += streams

    def sent(self, events: int, wire: int, saved: int) -> None:
        """Add what streams were handed since the last time: events, bytes, bytes less by compression."""
        self.events += events
        self.bytes_wire += wire
        self.bytes_saved += saved

    # --- the reader, in its own thread --------------------------------------------------------------
    def looked(self, position: int) -> None:
        """Note that everything up to event ``position`` has been read just now and handed on."""
        self.position = position
        self.looked_at = time.monotonic()

    # --- for the database --------------------------------------------------------------------------
    def counted(self) -> dict[str, Any]:
        """Return all counters as JSON can hold them: numbers, and tables of numbers."""
        return {
            "opened": self.streams_opened,
            "refused": dict(self.streams_refused),
            "ended": dict(self.streams_ended),
            "messages": {"event": self.events, **self.offered},
            "bytes_wire": self.bytes_wire,
            "bytes_saved": self.bytes_saved,
            "replays": self.replays,
            "replayed_events": self.replayed_events,
            "resets": self.resets,
            "latency": self.latency.stored(),
            "fan_out": self.fan_out.stored(),
        }


of_this_process = Figures()
"""A web worker's figures are its process's: refusals count before there is a broadcaster, too."""
