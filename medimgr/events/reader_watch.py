"""Looks every second whether the threads that serve streams still get answers, from the event loop.

Without it a reader whose database server is frozen would wait for ever, while every page goes on saying
"live". See medimgr/lib/watched_thread.py for what happens then.
"""

import asyncio
import logging
from typing import Protocol

from medimgr.lib.loops import background

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0


class Watched(Protocol):
    """Something that works in a thread."""

    def look(self) -> None:
        """Have another thread go on where this one is stuck or dead. Does not wait."""


def watch_over(*workers: Watched) -> "asyncio.Task[None]":
    """Look after ``workers`` until the task that is returned is cancelled. To be called in the loop."""
    return background(_look_on(workers), name="stream-thread-watch")


async def _look_on(workers: tuple[Watched, ...]) -> None:
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        for worker in workers:
            try:
                worker.look()
            except Exception:  # such as: the system gives no more threads; perhaps in a second it does
                logger.exception("Looking after a thread of the streams failed; it goes on.")
