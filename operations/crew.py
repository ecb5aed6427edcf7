"""The threads that carry operations out. One that does not come back from its handler is replaced."""

import logging
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from django.db import connections

from operations import words
from operations.job import Job

logger = logging.getLogger(__name__)

WEDGED_SECONDS = 5.0
"""A handler that goes on for so long after its operation has ended does not listen: its thread is lost."""
SPARE_SECONDS = 0.25
"""What has waited for so long for a thread gets one more: it was claimed, so nobody else can do it."""
BRIEF_SECONDS = 0.005
"""Of a kind whose last operations all took less than this, more are claimed than there are threads."""
AHEAD = 3
"""So many times as many."""
_LAST_ONES = 8


@dataclass(eq=False)
class _Hand:
    """One thread."""

    spare: bool
    job: Job | None = None
    given_up: bool = False
    thread: threading.Thread = field(init=False)


class Crew:
    """A number of threads with one inbox. ``carry_out`` gets each job and raises nothing."""

    def __init__(self, size: int, carry_out: Callable[[Job], None]) -> None:
        """Prepare; nothing runs before :meth:`start`."""
        self._size = size
        self._carry_out = carry_out
        self._lock = threading.Lock()
        self._filled = threading.Condition(self._lock)
        self._inbox: deque[tuple[float, Job]] = deque()
        self._hands: list[_Hand] = []
        self._ending = False
        self._took: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=_LAST_ONES))
        self.given_up = 0
        """How many threads never came back from their handlers."""

    def start(self) -> None:
        """Start the threads."""
        with self._lock:
            for _ in range(self._size):
                self._add(spare=False)

    def hand_out(self, job: Job) -> None:
        """Have a job carried out; those that were handed out earlier come first."""
        with self._filled:
            self._inbox.append((time.monotonic(), job))
            self._filled.notify()

    def ahead(self) -> int:
        """Return how many brief jobs may be handed out beyond the number of threads.

        In an inbox here nobody else can do them, but those are done in a moment, and taking many up at once
        costs little more than taking up one.
        """
        return AHEAD * self._size

    def brief_kinds(self) -> list[str]:
        """Return the kinds whose last jobs were all brief."""
        with self._lock:
            return [
                kind
                for kind, took in self._took.items()
                if len(took) == _LAST_ONES and max(took) < BRIEF_SECONDS
            ]

    def look(self) -> list[Job]:
        """Replace threads that hang, and return the jobs that they were given. Call it now and then."""
        now = time.monotonic()
        with self._lock:
            if self._ending:
                return []
            hanging = [
                hand
                for hand in self._hands
                if hand.job is not None and not hand.given_up and hand.job.overstayed(now) > WEDGED_SECONDS
            ]
            for hand in hanging:
                hand.given_up = True
                self._hands.remove(hand)
                self._add(spare=False)
            self.given_up += len(hanging)
            for _ in [at for at, _ in self._inbox if now - at > SPARE_SECONDS]:
                self._add(spare=True)
        for hand in hanging:
            logger.error(
                "%s has ended, but its handler does not come back: thread %s is left to itself and replaced "
                "(%d so far). Where this goes on, restart the worker.",
                words.name(hand.job.operation) if hand.job is not None else "an operation",
                hand.thread.name,
                self.given_up,
            )
        return [hand.job for hand in hanging if hand.job is not None]

    def threads(self) -> list[threading.Thread]:
        """Return the threads, without those that were given up."""
        with self._lock:
            return [hand.thread for hand in self._hands]

    def end(self) -> None:
        """Let each thread end after what it has in hand; what waits in the inbox is left."""
        with self._filled:
            self._ending = True
            self._inbox.clear()
            self._filled.notify_all()

    def _add(self, *, spare: bool) -> None:
        hand = _Hand(spare)
        name = f"operation-{len(self._hands)}"
        hand.thread = threading.Thread(target=self._serve, args=(hand,), name=name, daemon=True)
        self._hands.append(hand)
        hand.thread.start()

    def _serve(self, hand: _Hand) -> None:
        while (job := self._next(hand)) is not None:
            began = time.monotonic()
            try:
                self._carry_out(job)
            except BaseException:
                logger.exception("operation %d: its thread stumbled", job.operation.pk)
            with self._lock:
                hand.job = None
                self._took[job.operation.kind].append(time.monotonic() - began)
                idle = not self._inbox
            _give_back_connections(idle)
        connections.close_all()
        with self._lock:
            if hand in self._hands:
                self._hands.remove(hand)

    def _next(self, hand: _Hand) -> Job | None:
        with self._filled:
            while not self._inbox:
                if self._ending or hand.spare or hand.given_up:
                    return None
                self._filled.wait()
            if self._ending or hand.given_up:
                return None
            _, hand.job = self._inbox.popleft()
            return hand.job


def _give_back_connections(idle: bool) -> None:
    """Close the thread's database connections, unless the next job may use them as they are."""
    for connection in connections.all(initialized_only=True):
        if idle or connection.in_atomic_block or connection.errors_occurred or not connection.autocommit:
            connection.close()
