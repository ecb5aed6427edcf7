"""Background tasks of an event loop that cannot die unseen."""

import asyncio
import contextvars
import logging
from collections.abc import Callable, Coroutine
from typing import Any

logger = logging.getLogger(__name__)


class LoopGone(Exception):
    """The event loop that a thread works for has been closed: the thread has nothing left to do."""


# A loop holds its tasks weakly: one that nobody else holds may be collected in the middle of its work.
_running: set["asyncio.Task[Any]"] = set()


def background(
    work: Coroutine[Any, Any, None], *, name: str, on_death: Callable[[], None] | None = None
) -> "asyncio.Task[None]":
    """Run ``work`` in the running loop as a task called ``name``; an exception that ends it is logged.

    The task starts with an empty context: one that inherited a request's would go on using that
    request's thread. ``on_death`` is called in the loop after an exception, not after a cancellation.
    """
    task = asyncio.get_running_loop().create_task(work, name=name, context=contextvars.Context())
    _running.add(task)

    def ended(done: "asyncio.Task[None]") -> None:
        _running.discard(done)
        if done.cancelled() or (error := done.exception()) is None:
            return
        logger.error("The background task %s has died.", name, exc_info=error)
        if on_death is not None:
            on_death()

    task.add_done_callback(ended)
    return task
