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
operation_id: ContextVar[int | None] = ContextVar("medimgr_operation_id", default=None)


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


@contextmanager
def working_on(operation: int, *, requested_as: str = "") -> Iterator[None]:
    """For the length of the block, be at work on an operation that the request ``requested_as`` asked for."""
    mine = operation_id.set(operation)
    its = request_id.set(requested_as)
    try:
        yield
    finally:
        operation_id.reset(mine)
        request_id.reset(its)
