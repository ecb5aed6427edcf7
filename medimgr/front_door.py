"""What is looked at of each request before Django sees it, around whichever ASGI application serves it.

- Whether the client came by https is for a proxy that we know to say (``MEDIMGR_TRUSTED_PROXIES``), and for
  nobody else: by ``X-Forwarded-Proto`` a stranger could have cookies and redirects treated as if he had.
- A body that is too large is refused before it is read, or as soon as that shows.
"""

import functools
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from medimgr.error_pages import ended_early
from medimgr.lib.client_address import Network, is_among
from medimgr.lib.protective_headers import protect
from medimgr.lib.request_problems import TooLarge

logger = logging.getLogger(__name__)

Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]

_GONE: Message = {"type": "http.disconnect"}


class FrontDoor:
    """An ASGI application that lets requests through to ``application``."""

    def __init__(
        self, application: Application, *, largest: int, proxies: Sequence[Network], streams: str
    ) -> None:
        """``largest`` is in bytes; ``streams`` is the path where nothing may stand before ``send``."""
        self._application = application
        self._largest = largest
        self._proxies = proxies
        self._streams = streams

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        length, scheme = _length_and_scheme(scope["headers"])
        if scheme == "https" and is_among(str((scope.get("client") or ("",))[0]), self._proxies):
            scope = {**scope, "scheme": "https"}
        if length is not None and not (length.isdigit() and int(length[:20]) <= self._largest):
            await refuse(scope, send, self._largest)
            return
        if scope["path"].removeprefix(scope.get("root_path", "")) == self._streams:
            await self._application(scope, receive, send)
            return
        body = _Body(receive, send, self._largest)
        try:
            await self._application(scope, body.receive, body.passed)
        finally:
            if body.is_too_large and not body.is_answered:
                await refuse(scope, send, self._largest)


class _Body:
    """Stands between one application and the server while the body comes in."""

    def __init__(self, receive: Receive, send: Send, largest: int) -> None:
        self._receive = receive
        self._left = largest
        self.is_too_large = self.is_answered = False

        @functools.wraps(send, assigned=(), updated=())
        async def passed(message: Message) -> None:
            self.is_answered = True
            await send(message)

        self.passed: Send = passed

    async def receive(self) -> Message:
        """Return the next piece; that the client is gone, once there was too much of it."""
        if self.is_too_large:
            return _GONE
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                self.is_too_large = True
                return _GONE
        return message


def _length_and_scheme(headers: Sequence[tuple[bytes, bytes]]) -> tuple[bytes | None, str]:
    """Return what the client says of its body's length, and the nearest proxy of how it was asked."""
    length, scheme = None, b""
    for name, value in headers:
        if name == b"content-length":
            length = value
        elif name == b"x-forwarded-proto":
            scheme = value
    return length, scheme.rpartition(b",")[2].strip().lower().decode("latin-1")


async def refuse(scope: Mapping[str, Any], send: Send, largest: int) -> None:
    """Answer 413, as a page where one was asked for. No query."""
    logger.warning("%s %s was refused: its body is too large.", scope["method"], quote(scope["path"])[:300])
    response = ended_early(
        scope["path"],
        dict(scope["headers"]).get(b"accept", b"").decode("latin-1"),
        TooLarge(f"A request may bring {largest / 1_048_576:g} MB at most. Send less at a time."),
        "Too large",
    )
    protect(response, https=scope.get("scheme") == "https")
    response["Content-Length"] = str(len(response.content))
    headers = [(name.encode("ascii"), value.encode("latin-1")) for name, value in response.items()]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": response.content})
