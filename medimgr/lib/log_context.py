"""What is being worked on, for every line of the log that is written meanwhile. Context variables only.

Threads of ``asyncio.to_thread`` and ``sync_to_async`` have them too; a thread of our own sets its own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

request_id: ContextVar[str] = ContextVar("medimgr_request_id", default="")
user_name: ContextVar[str] = ContextVar("medimgr_user_name", default="")
token_name: ContextVar[str] = ContextVar("medimgr_token_name", default="")
_work: ContextVar["Work | None"] = ContextVar("medimgr_work", default=None)


@dataclass(slots=True)
class RequestNotes:
    """What is known of a request at its end. One object in all contexts of a request: tasks write into it."""

    user: str = ""
    token: str = ""
    status: int | None = None
    """Of its answer; None where there is none."""


request_notes: ContextVar[RequestNotes | None] = ContextVar("medimgr_request_notes", default=None)


def note_who() -> None:
    """Let what this context knows of who is asking be known at the end of the request."""
    notes = request_notes.get()
    if notes is not None:
        notes.user, notes.token = user_name.get(), token_name.get()


@dataclass(slots=True)
class Work:
    """An operation that is being carried out."""

    operation: int
    requested_as: str
    """The request that asked for it."""
    asked_by: str
    over: bool = False
    """A timer or a task that was begun meanwhile keeps this context: it is told that the work is over."""


def at_work() -> Work | None:
    """Return what is being carried out at this moment, None for nothing."""
    work = _work.get()
    return None if work is None or work.over else work


@contextmanager
def working_on(operation: int, *, requested_as: str = "", asked_by: str = "") -> Iterator[None]:
    """For the length of the block, be at work on an operation that the request ``requested_as`` asked for."""
    work = Work(operation, requested_as, asked_by)
    before = _work.set(work)
    try:
        yield
    finally:
        work.over = True
        _work.reset(before)
