"""Reads logs of operations for an event loop: in threads, a few at a time, once for all who want the same."""

import asyncio
import contextlib
import queue
import threading
import weakref
from dataclasses import dataclass

from django.db import connections

from medimgr.events import frames
from operations.exceptions import OperationGone
from operations.log_reading import piece
from operations.models import Operation

MESSAGE = "operation_log"
THREADS = 2
IDLE_SECONDS = 5.0
"""So long a thread keeps its database connection with nothing to do."""


@dataclass(frozen=True, slots=True)
class Look:
    """What somebody wants to see: the lines after ``after`` of an operation that is known to be so."""

    operation: int
    after: int
    status: str = ""
    """Empty: not known, it has to be looked up."""
    log_lines: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """What there was to see, and the message that tells it."""

    last: int
    log_lines: int
    complete: bool
    empty: bool
    message: bytes


_Waiting = tuple[Look, asyncio.AbstractEventLoop, "asyncio.Future[Seen]"]
_under_way: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Look, asyncio.Future[Seen]]]" = (
    weakref.WeakKeyDictionary()
)
_inbox: "queue.SimpleQueue[_Waiting]" = queue.SimpleQueue()
_threads: list[threading.Thread] = []
_lock = threading.Lock()


async def look(wanted: Look) -> Seen:
    """Return what there is to see. Raises OperationGone, and what the database raises.

    One query, and one more where the operation has to be looked up. Who wants the same while it is being
    read gets the same.
    """
    loop = asyncio.get_running_loop()
    under_way = _under_way.setdefault(loop, {})
    future = under_way.get(wanted)
    if future is None:
        future = under_way[wanted] = loop.create_future()
        future.add_done_callback(lambda done: _over(under_way, wanted, done))
        _inbox.put((wanted, loop, future))
        _start_threads()
    # Whoever goes away must not take it from the others.
    return await asyncio.shield(future)


def _over(under_way: "dict[Look, asyncio.Future[Seen]]", wanted: Look, done: "asyncio.Future[Seen]") -> None:
    under_way.pop(wanted, None)
    if not done.cancelled():
        done.exception()  # where all have gone away, nobody else asks for it


def _start_threads() -> None:
    with _lock:
        if len(_threads) < THREADS:
            # Daemons: a database that does not answer must not hold up the end of the process.
            thread = threading.Thread(target=_serve, name="operation-log-reader", daemon=True)
            _threads.append(thread)
            thread.start()


def _serve() -> None:
    while True:
        try:
            wanted, loop, future = _inbox.get(timeout=IDLE_SECONDS)
        except queue.Empty:
            connections.close_all()
            with _lock:
                if _inbox.empty():
                    _threads.remove(threading.current_thread())
                    return
            continue
        seen: Seen | None = None
        error: Exception | None = None
        try:
            seen = see(wanted)
        except Exception as problem:
            connections.close_all()
            error = problem
        with contextlib.suppress(RuntimeError):  # the loop has been closed
            loop.call_soon_threadsafe(_settle, future, seen, error)


def _settle(future: "asyncio.Future[Seen]", seen: Seen | None, error: Exception | None) -> None:
    if future.done():
        return
    if seen is not None:
        future.set_result(seen)
    elif error is not None:
        future.set_exception(error)


def see(wanted: Look) -> Seen:
    """Return what there is to see, read here and now. Raises OperationGone. One query or two."""
    status, log_lines, after = wanted.status, wanted.log_lines, wanted.after
    if not status:
        row = Operation.objects.filter(pk=wanted.operation).values_list("status", "log_lines").first()
        if row is None:
            raise OperationGone(f"Operation {wanted.operation} does not exist any more.")
        status, log_lines = row
        # Whoever has more lines than there are has those of another database.
        after = after if after <= log_lines else 0
    found = piece(wanted.operation, status, log_lines, after)
    return Seen(
        last=found["last"],
        log_lines=found["log_lines"],
        complete=found["complete"],
        empty=not found["lines"],
        message=frames.message(MESSAGE, found),
    )
