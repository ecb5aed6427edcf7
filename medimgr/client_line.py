"""What an ASGI application hears of its client, with the possibility to tell it that the client has gone.

A server that stops cancels its applications. Django's handler does not pass that on to its own tasks, which
then work on in a context that is gone: a 500 and a traceback. The one early end that it makes in order,
every task cancelled and waited for, is that of a client that leaves.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

_GONE = {"type": "http.disconnect"}


class ClientLine:
    """The ``receive`` of one request. Lives in the event loop's thread; costs no task."""

    __slots__ = ("_cut", "_listening", "_receive")

    def __init__(self, receive: Callable[[], Awaitable[Mapping[str, Any]]]) -> None:
        """Take the server's ``receive``."""
        self._receive = receive
        self._listening: asyncio.Task[Any] | None = None
        self._cut = False

    async def __call__(self) -> Mapping[str, Any]:
        """Return the next message of the client; once the line is cut, that it has gone."""
        if self._cut:
            return _GONE
        listening = self._listening = asyncio.current_task()
        try:
            return await self._receive()
        except asyncio.CancelledError:
            if listening is None or not self._was_cut():
                raise
            listening.uncancel()
            return _GONE
        finally:
            self._listening = None

    def _was_cut(self) -> bool:
        return self._cut

    def cut(self) -> None:
        """Tell whoever listens, and whoever will, that the client has gone. Idempotent."""
        if not self._cut:
            self._cut = True
            if self._listening is not None:
                self._listening.cancel()
