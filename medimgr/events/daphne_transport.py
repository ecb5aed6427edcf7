"""All that medimgr knows about Daphne and Twisted behind the ASGI interface.

Daphne's ``send()`` never waits: what the client does not take piles up in Twisted's transport without
a bound. Behind ``send`` is Twisted's request, and a producer registered there is paused while the
transport holds more than 64 KiB, and resumed once it is empty. That is the back-pressure.
"""

import asyncio
import functools
import inspect
import logging
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from django.conf import settings

from medimgr.events.cohort import Write
from medimgr.events.peer_socket import watch
from medimgr.events.subscription import Subscription

logger = logging.getLogger(__name__)

Send = Callable[[Mapping[str, Any]], Awaitable[None]]

FAREWELL_SECONDS = 2.0
"""How long a client that has not read may take to read its ``bye``, before it is cut off."""


def request_behind(send: Send) -> Any | None:
    """Return Twisted's request behind Daphne's ``send``, None for any other server.

    What wraps a ``send`` names it as its ``__wrapped__``.
    """
    send = inspect.unwrap(send)
    if not (isinstance(send, functools.partial) and send.args):
        return None
    request = send.args[0]
    expected = ("registerProducer", "unregisterProducer", "handle_reply", "channel", "transport")
    return request if all(hasattr(request, name) for name in expected) else None


def is_connected(request: Any) -> bool:
    """Return whether the client of ``request`` is still there, as far as Twisted knows."""
    return request.channel is not None


def framed(body: bytes) -> bytes:
    """Return a piece of a response's body as a chunk (RFC 9112, section 7.1)."""
    return b"%x\r\n%b\r\n" % (len(body), body)


class DaphneSink:
    """Writes to one client through Daphne, and tells the subscription when the client does not read."""

    def __init__(self, request: Any, send: Send, subscription: Subscription) -> None:
        """Register with the transport of ``request``, whose response has been started."""
        self._request = request
        self._send = send
        self._subscription = subscription
        self._paused = False
        self._is_headed = False
        self._farewell: asyncio.TimerHandle | None = None
        request.registerProducer(self, True)
        watch(request.transport.getHandle(), settings.MEDIMGR_STREAM_HEARTBEAT_SECONDS)

    def write(self, chunk: bytes) -> None:
        """See :class:`medimgr.events.sink.Sink`."""
        self._step({"type": "http.response.body", "body": chunk, "more_body": True})
        if not self._is_headed:
            self._is_headed = True
            _forget_headers(self._request)

    def write_raw(self, wire: bytes) -> None:
        """See :class:`medimgr.events.sink.Sink`."""
        self._request.channel.transport.write(wire)

    def direct(self) -> Write | None:
        """See :class:`medimgr.events.sink.Sink`.

        Past Daphne and Twisted, whose way to a socket takes eight times as long, and only while nothing waits
        in Twisted's buffers, so that all bytes stay in order.
        """
        request = self._request
        if not (settings.MEDIMGR_STREAM_DIRECT and request.channel and request.chunked):
            return None
        transport = request.channel.transport
        try:
            waits = transport.dataBuffer or transport._tempDataLen
            if waits or not transport.connected or transport.disconnecting or transport.TLS:
                return None
            write: Write = transport.socket.send
        except AttributeError:
            return None  # another Twisted, or another transport
        return write

    def finish(self) -> None:
        """See :class:`medimgr.events.sink.Sink`."""
        if not self._paused:
            self._end_response()
        elif self._farewell is None:
            # Ending now would leave a full buffer to a client that may never read it.
            cut_off = self._request.transport.abortConnection
            self._farewell = asyncio.get_running_loop().call_later(FAREWELL_SECONDS, cut_off)

    # --- Twisted's IPushProducer -----------------------------------------------------------------
    def pauseProducing(self) -> None:  # noqa: N802
        """The transport holds more than it wants to."""
        self._paused = True
        self._subscription.pause()

    def resumeProducing(self) -> None:  # noqa: N802
        """The transport is empty."""
        self._paused = False
        if self._farewell is None:
            self._subscription.resume()
            return
        transport = self._request.transport
        self._end_response()
        # Closed once the client has taken the rest, or cut off: nobody waits for it longer than that.
        transport.loseConnection()

    def stopProducing(self) -> None:  # noqa: N802
        """The connection is gone; the application hears of it as ``http.disconnect``."""
        if self._farewell is not None:
            self._farewell.cancel()

    # --- effects ---------------------------------------------------------------------------------
    def _step(self, message: dict[str, Any]) -> None:
        step: Any = self._send(message)
        try:
            step.send(None)
        except StopIteration:
            return
        step.close()
        raise RuntimeError("Daphne's send() waits for something, which medimgr does not reckon with.")

    def _end_response(self) -> None:
        if not is_connected(self._request):
            return  # the connection is gone, and Twisted has let go of the producer with it
        try:
            self._request.unregisterProducer()
            self._step({"type": "http.response.body"})
        except Exception as error:
            logger.info("A stream could not be finished: %r", error)


def _forget_headers(request: Any) -> None:
    """Let go of the headers of a stream that has begun: Twisted wants them no more, and they are 3 KiB."""
    if getattr(request, "startedWriting", False):
        request.requestHeaders = request.responseHeaders = type(request.responseHeaders)()


class Pace:
    """Lets an answer in many pieces wait while its client does not take them, by the same means."""

    def __init__(self, request: Any) -> None:
        """Register with the transport of ``request``, whose response has been started."""
        self._request = request
        self._taken = asyncio.Event()
        self._taken.set()
        request.registerProducer(self, True)

    async def wait(self) -> None:
        """Wait until the client has taken what it was sent, or is gone."""
        await self._taken.wait()

    def end(self) -> None:
        """Unregister; nobody waits any more. To be called before the last piece."""
        self._taken.set()
        if is_connected(self._request):
            self._request.unregisterProducer()

    def pauseProducing(self) -> None:  # noqa: N802
        """The transport holds more than it wants to."""
        self._taken.clear()

    def resumeProducing(self) -> None:  # noqa: N802
        """The transport is empty."""
        self._taken.set()

    def stopProducing(self) -> None:  # noqa: N802
        """The connection is gone."""
        self._taken.set()


def pace_of(send: Send) -> Pace | None:
    """Return the pace of the client behind Daphne's ``send``, None where there is none, or another server."""
    request = request_behind(send)
    return Pace(request) if request is not None and is_connected(request) else None


def before_shutdown(stop: Callable[[], Awaitable[None]]) -> None:
    """Have Twisted run ``stop`` before it closes its connections, where Twisted runs this process.

    Daphne cancels the applications of open requests when it stops, but not where one connection has
    sent half a request (it fails on that one and leaves out the rest). This does not depend on it.
    """
    reactor: Any = sys.modules.get("twisted.internet.reactor")
    if reactor is None or not reactor.running:
        return
    from twisted.internet.defer import Deferred

    loop = asyncio.get_running_loop()
    reactor.addSystemEventTrigger(
        "before", "shutdown", lambda: Deferred.fromFuture(asyncio.ensure_future(stop(), loop=loop))
    )


def cut_off(send: Send) -> bool:
    """Cut the connection behind Daphne's ``send``; return False where there is none, or another server.

    The one way to tell a client that an answer which has begun will not be complete.
    """
    request = request_behind(send)
    if request is None or not is_connected(request):
        return False
    request.transport.abortConnection()
    return True
