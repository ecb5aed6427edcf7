"""The time that a request may take, around whichever ASGI application serves it.

Until the first byte of its answer a request has so many seconds; after that, each further piece has as
many again, so that a long download that makes progress may take as long as it needs. Past that:

- where no byte has gone out, the client gets 504 (503 where the server is going down) that says so;
- where the answer had begun, its connection is cut, which the client can tell from a complete answer;
- the application hears that the client is gone, so that an async view is cancelled. The thread of a sync
  view cannot be: it works on until it ends by itself, its answer is thrown away, and the log tells when.

Streams are exempt: they are meant to stay open, and have heartbeats and an age of their own.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from typing import Any
from urllib.parse import quote

from medimgr.error_pages import ended_early
from medimgr.events.daphne_transport import Pace, Send, cut_off, pace_of
from medimgr.lib.protective_headers import protect
from medimgr.lib.request_problems import DeadlineOver, Restarting

logger = logging.getLogger(__name__)

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Application = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]

CLIENT_GONE = {"type": "http.disconnect"}
TIDY_SECONDS = 2.0
"""So long the application may take to end once the server has cancelled its request."""


class Why(Enum):
    """Why a request is ended before its answer is complete: the problem, a heading and the words."""

    DEADLINE = (
        DeadlineOver,
        "This took too long",
        "The request was given up after {seconds:.0f} s without an answer. What it was to do may have been "
        "done or may still be: look before you try again.",
    )
    SHUTDOWN = (
        Restarting,
        "The server is being restarted",
        "The request was still under way when its web worker had to end. What it was to do may have been "
        "done: look before you try again.",
    )


class RequestDeadline:
    """An ASGI application that gives every request of ``application`` a deadline."""

    def __init__(self, application: Application, seconds: float, *, streams: str) -> None:
        """``streams`` is the path of the streams, which have none."""
        self._application = application
        self._seconds = seconds
        self._streams = streams
        self._under_way: set[_Request] = set()
        self._left: set[asyncio.Task[None]] = set()
        self.begun = 0
        """Requests since the process started, streams included."""

    @property
    def under_way(self) -> int:
        """Return how many requests wait for the end of their answers, streams not included."""
        return len(self._under_way)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        self.begun += 1
        if scope["path"].removeprefix(scope.get("root_path", "")) == self._streams:
            await self._application(scope, receive, send)
            return
        request = _Request(scope, receive, send, self._seconds)
        work = asyncio.ensure_future(self._application(scope, request.receive, request.send))
        self._under_way.add(request)
        try:
            why = await request.wait(work)
        except asyncio.CancelledError:
            request.give_up()
            await asyncio.wait([work], timeout=TIDY_SECONDS)
            work.cancel()
            raise
        finally:
            self._under_way.discard(request)
            request.end_pace()
        if why is None:
            work.result()
            return
        self._leave_behind(work, request)
        await request.answer(why)

    def end_all(self) -> None:
        """End all requests under way, since the process has to end."""
        for request in self._under_way:
            request.end_for_shutdown()

    def _leave_behind(self, work: "asyncio.Task[None]", request: "_Request") -> None:
        request.give_up()
        self._left.add(work)

        def ended(done: "asyncio.Task[None]") -> None:
            self._left.discard(done)
            error = None if done.cancelled() else done.exception()
            logger.log(
                logging.INFO if error is None else logging.ERROR,
                "%s, which had been given up, ended after %.1f s.",
                request.name,
                request.took(),
                exc_info=error,
            )

        work.add_done_callback(ended)


class _Request:
    """One request and what of its answer has gone out. Stands between the application and the server."""

    def __init__(self, scope: dict[str, Any], receive: Receive, send: Send, seconds: float) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._seconds = seconds
        self._began = self._moved = time.monotonic()
        self._head: Mapping[str, Any] | None = None
        """The start of the answer, kept until its first byte: until then it can still become another one."""
        self._started = self._complete = False
        self._gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ended_by: Why | None = None
        self._pace: Pace | None = None
        """Of an answer in more than one piece: Daphne itself takes them all, however slow the client."""
        # The query string may hold what is nobody's business.
        self.name = f"{scope['method']} {quote(scope['path'])}"

    def took(self) -> float:
        """Return the seconds since it began."""
        return time.monotonic() - self._began

    async def wait(self, work: "asyncio.Task[None]") -> Why | None:
        """Wait for the end of ``work``; return why it has to be given up, None where it has ended."""
        while self._ended_by is None and not work.done():
            left = self._moved + self._seconds - time.monotonic()
            if left <= 0:
                return Why.DEADLINE
            await asyncio.wait([work, self._gone], timeout=left, return_when=asyncio.FIRST_COMPLETED)
        # The application may have ended because of it, and before we were told.
        return self._ended_by

    def end_for_shutdown(self) -> None:
        """Have :meth:`wait` return."""
        self._ended_by = Why.SHUTDOWN
        self.give_up()

    def give_up(self) -> None:
        """Tell the application that the client is gone, and take nothing from it any more."""
        if not self._gone.done():
            self._gone.set_result(None)
        self.end_pace()

    async def answer(self, why: Why) -> None:
        """Tell the client, as far as that is still possible."""
        if self._complete:
            return  # what is late is only the tidying up
        kind, heading, words = why.value
        logger.warning(
            "%s was given up after %.1f s (%s): %s.",
            self.name,
            self.took(),
            kind.code,
            "its answer stopped half-way, and the connection is cut" if self._started else str(kind.status),
        )
        if self._started:
            cut_off(self._send)
            return
        headers = dict(self._scope["headers"])
        response = ended_early(
            self._scope["path"],
            headers.get(b"accept", b"").decode("latin-1"),
            kind(words.format(seconds=self.took())),
            heading,
        )
        protect(response, https=self._scope.get("scheme") == "https")
        response["Content-Length"] = str(len(response.content))
        pairs = [(name.encode("ascii"), value.encode("latin-1")) for name, value in response.items()]
        await self._send({"type": "http.response.start", "status": kind.status, "headers": pairs})
        await self._send({"type": "http.response.body", "body": response.content})

    # --- what the application has instead of the server ---------------------------------------------
    async def receive(self) -> Mapping[str, Any]:
        """Return the server's next message; that the client is gone, once the request is given up."""
        if self._gone.done():
            return CLIENT_GONE
        heard: asyncio.Future[Mapping[str, Any]] = asyncio.ensure_future(self._receive())
        either: list[asyncio.Future[Any]] = [heard, self._gone]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            return heard.result() if heard.done() else CLIENT_GONE
        finally:
            heard.cancel()

    async def send(self, message: Mapping[str, Any]) -> None:
        """Hand a piece of the answer on; nothing where the request has been given up."""
        if self._gone.done():
            return
        if message["type"] == "http.response.start":
            self._head = message
            return
        self._moved = time.monotonic()
        if self._head is not None:
            head, self._head, self._started = self._head, None, True
            await self._send(head)
        if not message.get("more_body"):
            self.end_pace()
        await self._send(message)
        self._complete = not message.get("more_body", False)
        if not self._complete:
            self._pace = self._pace or pace_of(self._send)
            if self._pace is not None:
                await self._pace.wait()

    def end_pace(self) -> None:
        """Let nothing wait for the client any more."""
        pace, self._pace = self._pace, None
        if pace is not None:
            pace.end()
