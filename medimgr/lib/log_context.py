"""What is being worked on, for every line of the log that is written meanwhile. Context variables only.

Threads of ``asyncio.to_thread`` and ``sync_to_async`` have them too; a thread of our own sets its own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("medimgr_request_id", default="")
user_name: ContextVar[str] = ContextVar("medimgr_user_name", default="")
token_name: ContextVar[str] = ContextVar("medimgr_token_name", default="")
operation_id: ContextVar[int | None] = ContextVar("medimgr_operation_id", default=None)


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
