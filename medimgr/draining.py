"""How a web worker ends without a client noticing.

It stops accepting (the supervisor holds the listening socket, so new connections wait there for another
worker), says bye to its streams, finishes the requests that it has, and asks the client of each connection
to make a new one for what comes next.
"""

import asyncio
import logging
import time
import weakref
from typing import Any

from medimgr.events.broadcaster import close_current
from medimgr.request_deadline import RequestDeadline

logger = logging.getLogger(__name__)

IDLE_SECONDS = 1.0
"""A connection without a request is kept so long: its next request may be on its way."""
UNSENT_SECONDS = 2.5
"""A request that has not come in whole by then is given up: nothing of it has been done, nor will be."""
LOOK_SECONDS = 0.05
LAST_WORDS_SECONDS = 2.0
"""So long the answers that end what was not finished may take to go out."""


class Connections:
    """The open connections of one Daphne, those without a request included, which Daphne does not count.

    What is relied on of Twisted: ``buildProtocol`` of its factory, of its HTTPChannel ``requests``,
    ``persistent``, ``checkPersistence`` and ``transport``, and of its Request ``method``.
    """

    def __init__(self, factory: Any) -> None:
        """Know of every connection that ``factory`` makes from now on."""
        self._channels: weakref.WeakSet[Any] = weakref.WeakSet()
        build = factory.buildProtocol

        def known(address: Any) -> Any:
            protocol = build(address)
            if protocol is not None:
                self._channels.add(protocol._channel)
            return protocol

        factory.buildProtocol = known

    def open(self) -> list[Any]:
        """Return the channels whose connections are open."""
        return [channel for channel in self._channels if getattr(channel.transport, "connected", False)]

    def ask_for_no_more(self) -> None:
        """Have each connection end with the answer to its current or next request, and say so in it."""
        for channel in self.open():
            channel.checkPersistence = _last_one
            if not channel.requests:
                continue
            channel.persistent = False
            for request in channel.requests:
                if not request.startedWriting:
                    _last_one(request, b"")

    def close_idle(self) -> None:
        """Close the connections that have no request."""
        for channel in self.open():
            if not channel.requests:
                channel.transport.loseConnection()

    def cut_unsent(self) -> None:
        """Cut the connections whose clients have sent a part of a request, and no more."""
        for channel in self.open():
            if channel.requests and all(map(_is_unsent, channel.requests)):
                channel.transport.abortConnection()

    def cut(self) -> None:
        """Cut what is still open."""
        for channel in self.open():
            channel.transport.abortConnection()


def _is_unsent(request: Any) -> bool:
    return "method" not in vars(request)  # set once all of it is there


def _last_one(request: Any, _version: bytes) -> bool:
    request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
    return False


async def drain(port: Any, connections: Connections, application: RequestDeadline, seconds: float) -> None:
    """Stop accepting and return once every connection has ended, after ``seconds`` at the latest.

    What is still under way by then gets an answer that says so.
    """
    port.stopListening()
    connections.ask_for_no_more()
    goodbye = asyncio.ensure_future(close_current())
    await _ended(connections, seconds, idle=IDLE_SECONDS)
    if application.under_way:
        logger.warning("%d request(s) are ended unfinished, since this process ends.", application.under_way)
        application.end_all()
        await _ended(connections, LAST_WORDS_SECONDS, idle=0.0)
    connections.cut()
    await goodbye


async def _ended(connections: Connections, seconds: float, *, idle: float) -> None:
    """Return once no connection is open, or after ``seconds``; those without a request go after ``idle``.

    Those with a part of a request go after 2.5 s.
    """
    began = time.monotonic()
    while connections.open() and time.monotonic() - began < seconds:
        await asyncio.sleep(LOOK_SECONDS)
        connections.ask_for_no_more()  # what was accepted before, and has just become a channel
        if time.monotonic() - began >= idle:
            connections.close_idle()
        if time.monotonic() - began >= UNSENT_SECONDS:
            connections.cut_unsent()
