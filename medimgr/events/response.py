"""The response of a stream: bytes that the broadcaster hands out, not content that Django iterates."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from asgiref.sync import sync_to_async
from django.db import connections
from django.http import StreamingHttpResponse

from medimgr.events.broadcaster import Broadcaster
from medimgr.events.daphne_transport import DaphneSink, Send, is_connected, request_behind
from medimgr.events.subscription import End, Subscription


def release_database() -> None:
    """Close this thread's database connections: nothing of a stream needs one. Not in a transaction."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()


class EventStreamResponse(StreamingHttpResponse):
    """An open stream.

    Under :mod:`medimgr.asgi` on Daphne the broadcaster writes to the connection itself. Under any other
    handler or server this is an ordinary async streaming response.
    """

    def __init__(self, broadcaster: Broadcaster, subscription: Subscription) -> None:
        """Take an admitted subscription."""
        self.broadcaster = broadcaster
        self.subscription = subscription
        self._loop = asyncio.get_running_loop()
        self._handed_over = False
        super().__init__(
            self._iterate(),
            content_type="text/event-stream",
            headers={
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",
                # Named in any case: GZipMiddleware would compress each chunk as a member of its own, of which
                # browsers read one.
                "Content-Encoding": subscription.encoding.name,
                "Vary": "Accept-Encoding",
                # A page that goes before it has read its first message leaves no goodbye. Chromium then keeps
                # the connection for five seconds, hoping for an end of the stream and to use it again.
                "Connection": "close",
            },
        )

    async def serve(self, send: Send) -> None:
        """Serve the client behind ``send``; the response has started.

        On Daphne this hands the client over to the broadcaster and returns, so that Django can forget the
        request; whoever called has to see to the end. Elsewhere it returns when the stream has ended.
        """
        request = request_behind(send)
        if request is None or self.subscription.ended is not None:
            async for chunk in self._iterate():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body"})
            return
        if not is_connected(request):  # the client may have left, and the news of it be on its way to us
            self.subscription.lose()
            return
        self._handed_over = True
        self.broadcaster.open(self.subscription, DaphneSink(request, send, self.subscription))

    async def _iterate(self) -> AsyncIterator[bytes]:
        await sync_to_async(release_database)()
        sink = _TakenOneByOne(self.subscription)
        try:
            self.broadcaster.open(self.subscription, sink)
            while (chunk := await sink.next()) is not None:
                yield chunk
        finally:
            self.subscription.lose()

    def close(self) -> None:
        """End the stream if it has not been; Django calls this in a thread when the response is done."""
        super().close()
        if self._handed_over:
            return
        if self.subscription.ended is None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.subscription.lose, End.CLOSED)


class _TakenOneByOne:
    """A sink for a server that waits in ``send()``: one chunk is out at a time, the rest is held."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self._chunks: deque[bytes] = deque()
        self._changed = asyncio.Event()
        self._finished = False

    def write(self, chunk: bytes) -> None:
        """See :class:`medimgr.events.sink.Sink`."""
        self._chunks.append(chunk)
        self._changed.set()
        self._subscription.pause()

    def write_raw(self, wire: bytes) -> None:
        """See :class:`medimgr.events.sink.Sink`. Nothing is framed here."""
        self.write(wire)

    def direct(self) -> None:
        """See :class:`medimgr.events.sink.Sink`."""

    def finish(self) -> None:
        """See :class:`medimgr.events.sink.Sink`."""
        self._finished = True
        self._changed.set()

    async def next(self) -> bytes | None:
        """Return the next chunk once there is one, None at the end. Asking means the last one is out."""
        while True:
            if not self._chunks and self._subscription.is_open:
                self._subscription.resume()
            if self._chunks:
                return self._chunks.popleft()
            if self._finished or self._subscription.ended is not None:
                return None
            self._changed.clear()
            await self._changed.wait()
