"""Waits in an event loop for an operation or a batch to end. Has no thread, and does not ask all the time.

The event log tells when something has happened; the database is asked once at the beginning, since it may
have happened before anybody listened, and once at the end.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

from asgiref.sync import sync_to_async
from django.db import DatabaseError, InterfaceError

from operations import batches
from operations.models import Batch, Operation
from operations.states import ACTIVE_VALUES

FIRST_LOOK_SECONDS = 0.05
LONGEST_LOOK_SECONDS = 1.0
"""Where nobody tells of events the database is asked, less and less often."""

Heed = Callable[[Mapping[str, Any]], None]


class Listening(Protocol):
    """Where events can be listened to: :class:`medimgr.events.broadcaster.Broadcaster`."""

    def listening(self, topic: str, key: str, heed: Heed) -> AbstractContextManager[None]:
        """Call ``heed`` in the loop for each event about ``key``, for the length of the block."""

    @property
    def is_closing(self) -> bool:
        """Return whether nothing will be heard any more, since the process ends."""


@dataclass(frozen=True, slots=True)
class Seen:
    """How something is, and whether that is how it stays."""

    ended: bool
    body: dict[str, Any]


def look_at_operation(pk: int) -> Seen | None:
    """Return how an operation is, as the API shows it; None where it is gone. One query."""
    row = Operation.objects.filter(pk=pk).first()
    return None if row is None else Seen(row.status not in ACTIVE_VALUES, row.public())


def look_at_batch(pk: str) -> Seen | None:
    """Return how far a batch is, as the API shows it; None where it is gone. One query."""
    row = Batch.objects.filter(pk=pk).first()
    return None if row is None else Seen(row.finished_at is not None, batches.public(row))


def look_at_operations(pk: str) -> list[dict[str, Any]]:
    """Return the operations of a batch, as the API shows them. One query."""
    return [row.public() for row in batches.operations_of(Batch(pk=pk))]


async def wait_for_operation(pk: int, seconds: float, listening: Listening | None) -> Seen | None:
    """Return how operation ``pk`` is once it has ended, or after ``seconds``; None where it is gone.

    Also None where the database does not answer. Two queries, in the request's thread, as long as somebody
    tells of events (``listening``); otherwise one every second besides.
    """
    return await _ended("operation", str(pk), lambda: look_at_operation(pk), _has_ended, seconds, listening)


async def wait_for_batch(pk: str, seconds: float, listening: Listening | None) -> Seen | None:
    """Return how far batch ``pk`` is once all of it has ended, or after ``seconds``. As the above."""
    return await _ended("batch", pk, lambda: look_at_batch(pk), _is_finished, seconds, listening)


def _has_ended(fact: Mapping[str, Any]) -> bool:
    return fact.get("status") not in ACTIVE_VALUES


def _is_finished(fact: Mapping[str, Any]) -> bool:
    return bool(fact.get("finished_at"))


async def _ended(
    topic: str,
    key: str,
    look: Callable[[], Seen | None],
    ends: Callable[[Mapping[str, Any]], bool],
    seconds: float,
    listening: Listening | None,
) -> Seen | None:
    until = time.monotonic() + seconds
    news = asyncio.Event()

    def heed(fact: Mapping[str, Any]) -> None:
        # Nothing in it: the log has begun anew, or the process ends. Look again.
        if not fact or ends(fact):
            news.set()

    pause = FIRST_LOOK_SECONDS
    with listening.listening(topic, key, heed) if listening is not None else nullcontext():
        while True:
            late = time.monotonic() >= until or (listening is not None and listening.is_closing)
            news.clear()
            try:
                seen = await sync_to_async(look)()
            except (DatabaseError, InterfaceError):
                return None
            if seen is None or seen.ended or late:
                return seen
            left = max(0.0, until - time.monotonic())
            try:
                async with asyncio.timeout(left if listening is not None else min(left, pause)):
                    await news.wait()
            except TimeoutError:
                pause = min(2 * pause, LONGEST_LOOK_SECONDS)
