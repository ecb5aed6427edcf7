"""Has the kernel find out that the client of a stream is gone, and bounds what it keeps for it.

A laptop that sleeps, a cable that is pulled, a phone that leaves the house: nobody says goodbye. While
nothing is under way the kernel asks now and then (keepalive); while something is, its retransmissions ask.
Each gets half of the time. Sources: Linux' tcp(7); RFC 5482 on the user timeout.
"""

import logging
import socket
from dataclasses import dataclass
from typing import Any

logger = logging.getLogger(__name__)

GRACE_SECONDS = 5.0
"""A dead client is found within a heartbeat and this."""
MARGIN_SECONDS = 1.0
"""For the first retransmission, from which the kernel counts, and for taking the row away."""
LEAST_HEARTBEAT_SECONDS = 3.0
"""With a shorter heartbeat a client that reads slowly would be taken for a dead one."""
SEND_BUFFER_BYTES = 192 * 1024
"""Linux takes twice as much, its own bookkeeping included."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the kernel waits for a client, in whole seconds and milliseconds, as it wants them."""

    ask_every_seconds: int
    """How long a connection is silent before the kernel asks, and between two questions."""
    give_up_milliseconds: int
    """How long the client may leave a question, or what was sent, unanswered."""

    @property
    def questions(self) -> int:
        """Return after how many unanswered questions systems without a user timeout give up."""
        return max(1, self.give_up_milliseconds // (1000 * self.ask_every_seconds))


def patience(heartbeat_seconds: float) -> Patience:
    """Return the patience by which a dead client is found within ``heartbeat_seconds`` and 5 more.

    The worst case is a client that dies while nothing is under way, and a message just before the kernel
    would have given up on its questions: from then on it waits for the message alone. Below 3 s of heartbeat
    it stays at that of 3 s.
    """
    heartbeat = max(heartbeat_seconds, LEAST_HEARTBEAT_SECONDS)
    every = round(min(max(heartbeat / 6, 1.0), 5.0))
    return Patience(every, round((heartbeat + GRACE_SECONDS - MARGIN_SECONDS - every) / 2 * 1000))


def watch(connection: Any, heartbeat_seconds: float) -> None:
    """Set what the kernel knows of that on ``connection``, a socket; anything else is left alone.

    Also bounds its send buffer. Without a query; cannot fail: a connection that is gone already is found
    by the next write, and an option that this system does not have is passed over.
    """
    if not isinstance(connection, socket.socket) or connection.family == socket.AF_UNIX:
        return
    wanted = patience(heartbeat_seconds)
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _tcp_options(wanted):
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
    except OSError as error:
        logger.info("The kernel does not watch over a stream's connection: %s", error)


def _tcp_options(wanted: Patience) -> list[tuple[int, int]]:
    """Return those that this system has: macOS has another name for the first, and none for the last."""
    named = {
        "TCP_KEEPIDLE": wanted.ask_every_seconds,
        "TCP_KEEPALIVE": wanted.ask_every_seconds,
        "TCP_KEEPINTVL": wanted.ask_every_seconds,
        "TCP_KEEPCNT": wanted.questions,
        "TCP_USER_TIMEOUT": wanted.give_up_milliseconds,
    }
    return [(getattr(socket, name), value) for name, value in named.items() if hasattr(socket, name)]
