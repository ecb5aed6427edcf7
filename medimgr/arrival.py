"""What a request may take until it is there: bytes and time. On Daphne, which takes in all of it beforehand.

Twisted collects a request, in a file where it is large, and hands it to Daphne once it is complete. Whatever
stands in front of Django (:mod:`medimgr.front_door`) sees it only then. So this looks on while it comes in:

- a body that is too large is answered with 413 as soon as that shows, and the rest of it thrown away;
- a request that is not complete after so many seconds is answered with 408. Each byte on its own would keep
  Twisted's own timeout of 60 s from passing.

What is relied on of Twisted: of its HTTPChannel ``dataReceived``, ``allHeadersReceived``,
``allContentReceived``, ``length`` and ``transport``; of its Request ``handleContentChunk``.
"""

import logging
from http import HTTPStatus
from typing import Any

from medimgr.lib.problem_response import problem_response
from medimgr.lib.problems import Problem
from medimgr.lib.protective_headers import protect
from medimgr.lib.request_problems import SlowToArrive, TooLarge

logger = logging.getLogger(__name__)

LINGER_SECONDS = 2.0
"""So long a client that is refused may go on sending, so that it comes to read the answer."""


class Arrivals:
    """Watches over the requests that come in on the connections of one Daphne."""

    def __init__(self, factory: Any, reactor: Any, *, largest: int, seconds: float) -> None:
        """Watch over every connection that ``factory`` makes from now on; ``largest`` is in bytes."""
        self._reactor = reactor
        self.largest = largest
        self.seconds = seconds
        build = factory.buildProtocol

        def watched(address: Any) -> Any:
            protocol = build(address)
            if protocol is not None:
                _Arrival(protocol._channel, self)
            return protocol

        factory.buildProtocol = watched

    def later(self, seconds: float, what: Any) -> Any:
        """Have ``what`` called in ``seconds``; the answer can be cancelled."""
        return self._reactor.callLater(seconds, what)


class _Arrival:
    """The request that is coming in on one connection."""

    def __init__(self, channel: Any, watch: Arrivals) -> None:
        self._channel = channel
        self._watch = watch
        self._timer: Any = None
        self._refused = False
        self._take, self._headers_there = channel.dataReceived, channel.allHeadersReceived
        self._complete, self._lost = channel.allContentReceived, channel.connectionLost
        channel.dataReceived = self._data_received
        channel.allHeadersReceived = self._headers_received
        channel.allContentReceived = self._content_received
        channel.connectionLost = self._connection_lost

    def _data_received(self, data: bytes) -> None:
        if self._refused:
            return
        # Bytes that come while a request is being answered belong to the next one, whose time begins later.
        if self._timer is None and not self._channel._handlingRequest:
            self._timer = self._watch.later(self._watch.seconds, self._is_late)
        self._take(data)

    def _headers_received(self) -> None:
        request, largest = self._channel.requests[-1], self._watch.largest
        if self._channel.length is not None and self._channel.length > largest:
            self._refuse(_too_large(largest))
            # What of the body is here already goes nowhere.
            self._channel._transferDecoder.dataCallback = _throw_away
            return
        if self._channel.length is None:
            self._count(request, largest)
        self._headers_there()

    def _count(self, request: Any, left: int) -> None:
        take = request.handleContentChunk

        def counted(data: bytes) -> None:
            nonlocal left
            left -= len(data)
            if left >= 0:
                take(data)
            elif not self._refused:
                self._refuse(_too_large(self._watch.largest))

        request.handleContentChunk = counted
        # The decoder was given the method before all headers were there.
        self._channel._transferDecoder.dataCallback = counted

    def _content_received(self) -> None:
        if not self._refused:
            self._stop_timer()
            self._complete()

    def _connection_lost(self, reason: Any) -> None:
        self._stop_timer()
        self._lost(reason)

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def _is_late(self) -> None:
        self._timer = None
        self._refuse(SlowToArrive())

    def _refuse(self, problem: Problem) -> None:
        """Answer, hear no more of the request, and cut the connection a little later."""
        self._refused = True
        self._stop_timer()
        transport = self._channel.transport
        logger.warning("A request from %s was refused: %s.", transport.getPeer().host, problem.code)
        transport.write(_answer(problem))
        transport.loseWriteConnection()
        self._watch.later(LINGER_SECONDS, transport.abortConnection)


def _throw_away(_data: bytes) -> None:
    pass


def _too_large(largest: int) -> TooLarge:
    return TooLarge(f"A request may bring {largest / 1_048_576:g} MB at most. Send less at a time.")


def _answer(problem: Problem) -> bytes:
    """Return the whole answer in bytes: Daphne, which makes them, has not heard of the request. Pure."""
    response = problem_response(problem)
    protect(response, https=False)
    response["Content-Length"] = str(len(response.content))
    response["Connection"] = "close"
    lines = [f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in response.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + response.content
