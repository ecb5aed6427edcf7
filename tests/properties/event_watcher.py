"""A client that comes and goes as browsers do, and tells whether it got the right events."""

import contextlib
import random
import threading
import time
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Any

from medimgr.events.replay import MAX_REPLAY, MAX_REPLAY_BYTES
from tests.events.stream_client import StreamClient

KEPT_SECONDS = 2.0
"""Events are pruned after so long."""
LONG_AWAY_SECONDS = 2.5


@dataclass(frozen=True, order=True)
class Noted:
    """One event of the log, as it was stored and as a client got it."""

    id: int
    topic: str
    key: str
    n: int | None
    size: int = field(compare=False, default=0)
    """Of its data, in bytes."""


class Schedule:
    """What watchers have to know of the world: where to connect, what was pruned, and when it is over."""

    def __init__(self, ports: list[int], session: str) -> None:
        self.ports = ports
        self.session = session
        self.pruning = False
        self.pruned_up_to = 0
        """Events up to this one may be gone. Told before they are."""
        self.ends_at: dict[str, int] = {}
        """Topic to its last event that counts, once all are published."""


class Watcher(threading.Thread):
    """One client: random topics, random visits, always from the last event that it has."""

    def __init__(self, schedule: Schedule, topics: frozenset[str], seed: str) -> None:
        super().__init__(name=f"watcher {seed}", daemon=True)
        self.topics = topics
        self.visits = 0
        self.resets = 0
        self.failure: BaseException | None = None
        self._schedule = schedule
        self._dice = random.Random(seed)
        self._start: int | None = None
        self._last = -1
        self._got: list[Noted] = []
        self._gaps: list[range] = []
        """Events that a reset has skipped."""
        self._unexplained: list[range] = []

    @property
    def end(self) -> int | None:
        """Return the last event that this watcher has to get, None while that is open."""
        ends = self._schedule.ends_at
        return max(ends[topic] for topic in self.topics) if ends else None

    @property
    def done(self) -> bool:
        """Return whether the last event has come."""
        return self.end is not None and self._last >= self.end

    def run(self) -> None:
        try:
            while not self.done:
                # A worker that is killed breaks streams off, and refuses new ones until it is back.
                with contextlib.suppress(OSError):
                    self._visit()
                # Now and then away for so long that what it has missed is pruned.
                away = self._schedule.pruning and self._dice.random() < 0.04
                time.sleep(LONG_AWAY_SECONDS if away else self._dice.uniform(0, 0.05))
        except BaseException as error:
            self.failure = error

    # --- a visit -----------------------------------------------------------------------------------
    def _visit(self) -> None:
        port = self._dice.choice(self._schedule.ports)
        query: dict[str, Any] = {"topics": ",".join(sorted(self.topics))}
        headers = {"Accept-Encoding": "gzip"} if self._dice.random() < 0.5 else {}
        if self._start is not None:
            if self._dice.random() < 0.5:
                headers["Last-Event-ID"] = str(self._last)
            else:
                query["last_event_id"] = self._last
        with StreamClient(port, self._schedule.session, headers, **query) as stream:
            if self._dice.random() < 0.1:
                return  # gone before the first byte
            status, _ = stream.answer(20)
            if status == 503:  # it is starting or stopping
                return
            assert status == 200, status
            stream.hello = stream.next("hello").data
            self._greet(stream.hello)
            self.visits += 1
            self._listen(stream)
            self._leave(stream, port)

    def _greet(self, hello: dict[str, Any]) -> None:
        self._hello_id = int(hello["last_event_id"])
        assert set(hello["topics"]) == self.topics
        if self._start is None:
            self._start = self._last = self._hello_id

    def _listen(self, stream: StreamClient) -> None:
        for _ in range(self._dice.choice((0, 3, 30, 100, 300))):
            message = stream.next()
            if message.name == "bye":
                assert message.data["reason"] == "shutdown", message
                return
            if message.name == "reset":
                self._start_over()
            elif message.name not in ("heartbeat", "tick"):
                self._note(message.name, int(message.id), message.data)
            if self.done:
                return

    def _start_over(self) -> None:
        self._gaps.append(range(self._last + 1, self._hello_id + 1))
        if self._last >= self._schedule.pruned_up_to:
            self._unexplained.append(self._gaps[-1])
        self._last = self._hello_id
        self.resets += 1

    def _note(self, topic: str, event_id: int, data: dict[str, Any]) -> None:
        self._got.append(Noted(event_id, topic, data["key"], data.get("n")))
        self._last = event_id

    def _leave(self, stream: StreamClient, port: int) -> None:
        way = self._dice.choice(("close", "abort", "beacon"))
        if way != "beacon":
            getattr(stream, way)()
            return
        beacon = HTTPConnection("127.0.0.1", self._dice.choice([port, *self._schedule.ports]), timeout=20)
        with contextlib.closing(beacon), contextlib.suppress(HTTPException):
            beacon.request("POST", "/events/disconnect/", stream.hello["connection_id"])
            assert beacon.getresponse().status == 204

    # --- the judgement -----------------------------------------------------------------------------
    def complaint(self, truth: dict[int, Noted]) -> str:
        """Return what was wrong with what came, given every committed event; empty where nothing was."""
        if self.failure is not None:
            return f"failed: {self.failure!r}"
        if not self.done or self._start is None or self.end is None:
            return f"waits for event {self.end} of {sorted(self.topics)} and has {self._last}"
        for gap in self._unexplained:
            missed = [
                truth[number] for number in gap if number in truth and truth[number].topic in self.topics
            ]
            size = sum(event.size for event in missed)
            if len(missed) <= MAX_REPLAY and size < MAX_REPLAY_BYTES * 0.8:  # frames are larger than data
                return f"a reset over {gap}, though the log had all {len(missed)} events ({size} bytes)"
        first, last = self._start + 1, self.end
        wanted = [
            event
            for number, event in sorted(truth.items())
            if first <= number <= last
            and event.topic in self.topics
            and not any(number in gap for gap in self._gaps)
        ]
        got = [event for event in self._got if event.id <= last]
        if got == wanted:
            return ""
        twice = len(got) - len(set(got))
        found = {
            "lost": sorted(set(wanted) - set(got))[:5],
            "never committed": sorted(set(got) - set(wanted))[:5],
            "doubled": twice,
            "out of order": got != sorted(got),
        }
        return f"from {first} to {last}: " + ", ".join(
            f"{what} ({how})" for what, how in found.items() if how
        )
