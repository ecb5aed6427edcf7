"""Looks up the host names of probes, so that names which nobody answers for hold up nothing else.

``getaddrinfo`` cannot be given up: it blocks its thread for as long as the name servers let it. So a name
has one thread at a time, the threads are few, an answer serves for a while, and addresses and
``localhost`` need none. The threads are daemons: the end of the supervisor does not wait for them.
"""

import asyncio
import contextlib
import ipaddress
import socket
import threading
from collections import deque

AT_ONCE = 4
KEPT_SECONDS = 30.0
_LOCAL = ("127.0.0.1", "::1")
Answer = asyncio.Future[tuple[str, ...]]


class NameLookup:
    """Made and used on the loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._known: dict[str, tuple[float, tuple[str, ...]]] = {}
        self._asked: dict[str, Answer] = {}
        self._waiting: deque[str] = deque()
        self._threads = 0

    async def addresses(self, host: str) -> tuple[str, ...]:
        """Return the addresses of ``host``, the preferred one first. Raises OSError where it has none.

        It may take as long as the system likes: give it up with a timeout; others may wait for the same name.
        """
        if host.lower() in ("localhost", "localhost."):
            return _LOCAL
        with contextlib.suppress(ValueError):
            ipaddress.ip_address(host)
            return (host,)
        when, known = self._known.get(host, (0.0, ()))
        if known and self._loop.time() - when < KEPT_SECONDS:
            return known
        answer = self._asked.get(host)
        if answer is None:
            answer = self._asked[host] = self._loop.create_future()
            answer.add_done_callback(_looked_at)
            self._waiting.append(host)
            self._begin()
        return await asyncio.shield(answer)

    def _begin(self) -> None:
        while self._waiting and self._threads < AT_ONCE:
            host = self._waiting.popleft()
            self._threads += 1
            threading.Thread(target=self._look_up, args=(host,), name=f"looks up {host}", daemon=True).start()

    def _look_up(self, host: str) -> None:
        """Ask the system; in a thread of its own."""
        found: tuple[str, ...] | OSError
        try:
            rows = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            found = tuple(dict.fromkeys(str(row[4][0]) for row in rows))
        except OSError as error:
            found = error
        except (UnicodeError, ValueError):
            found = socket.gaierror(socket.EAI_NONAME, "no such name can be")
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody wants to know any more
            self._loop.call_soon_threadsafe(self._answered, host, found)

    def _answered(self, host: str, found: tuple[str, ...] | OSError) -> None:
        self._threads -= 1
        self._begin()
        answer = self._asked.pop(host)
        if isinstance(found, OSError):
            answer.set_exception(found)
        else:
            self._known[host] = (self._loop.time(), found)
            answer.set_result(found)


def _looked_at(answer: Answer) -> None:
    """Take notice of an error that nobody waits for any more."""
    if not answer.cancelled():
        answer.exception()
