"""A name for every request, and a line in the log at its end, around whichever ASGI application serves it.

The name is in every line that is written meanwhile, in the answer, and with the operations that it asked for.
"""

import asyncio
import functools
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import Context
from typing import Any
from urllib.parse import quote

from django.conf import settings

from medimgr import request_tallies
from medimgr.lib.client_address import Network, client_address, is_among
from medimgr.lib.log_context import RequestNotes, request_id, request_notes, token_name, user_name

access = logging.getLogger("medimgr.access")

Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Application = Callable[[dict[str, Any], Any, Any], Awaitable[None]]

REQUEST_ID = "X-Request-ID"
QUIET = frozenset({"/healthz", "/readyz"})
"""What is asked every few seconds by whoever watches over this server."""

_HEADER = REQUEST_ID.lower().encode("ascii")
_WELL_FORMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
_LONGEST_PATH = 300


def chosen_id(peer: str, offered: str, proxies: Sequence[Network]) -> str:
    """Return the name of a request: what a known proxy offers, where that is fit, or a new one."""
    return offered if is_among(peer, proxies) and _WELL_FORMED.fullmatch(offered) else secrets.token_hex(8)


class RequestLog:
    """An ASGI application that names the requests of ``application``, and logs each at its end."""

    def __init__(self, application: Application, *, streams: str) -> None:
        """``streams`` is the path whose answers go out past us, and bear the name already."""
        self._application = application
        self._streams = streams

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        if request_id.get():
            # It lay behind another on its connection, and begins in the context in which that one ended: it
            # would take over that one's thread, which is gone, and whatever else was meant for that one.
            await asyncio.get_running_loop().create_task(self(scope, receive, send), context=Context())
            return
        peer = str((scope.get("client") or ("",))[0])
        offered = _header(scope, _HEADER)
        notes = RequestNotes()
        name = chosen_id(peer, offered, settings.MEDIMGR_TRUSTED_PROXIES)
        contexts = (
            (request_id, request_id.set(name)),
            (request_notes, request_notes.set(notes)),
            (user_name, user_name.set("")),
            (token_name, token_name.set("")),
        )
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        began = time.monotonic()
        try:
            passed = send if path == self._streams else _named(send, name, notes)
            await self._application(scope, receive, passed)
        finally:
            took = time.monotonic() - began
            request_tallies.count(scope["method"], notes.status, took, stream=path == self._streams)
            _tell(scope, path, peer, notes, took)
            for variable, token in contexts:
                variable.reset(token)  # type: ignore[arg-type]  # each its own


def _named(send: Send, name: str, notes: RequestNotes) -> Send:
    """Return ``send`` that puts the name of the request into its answer, and notes the status."""

    @functools.wraps(send, assigned=(), updated=())
    async def passed(message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            notes.status = message["status"]
            headers = list(message.get("headers", ()))
            if not any(bytes(key).lower() == _HEADER for key, _ in headers):
                headers.append((REQUEST_ID.encode("ascii"), name.encode("ascii")))
            message = {**message, "headers": headers}
        await send(message)

    return passed


def _tell(scope: dict[str, Any], path: str, peer: str, notes: RequestNotes, seconds: float) -> None:
    """Write the line. The query is left out: it may hold what is nobody's business."""
    quiet = path in QUIET and notes.status is not None and notes.status < 400
    level = logging.DEBUG if quiet else logging.INFO
    if not access.isEnabledFor(level):
        return
    address = client_address(peer, _header(scope, b"x-forwarded-for"), settings.MEDIMGR_TRUSTED_PROXIES)
    shown = quote(scope["path"])[:_LONGEST_PATH]
    took = round(seconds * 1000, 1)
    access.log(
        level,
        "%s %s %s in %.1f ms from %s",
        scope["method"],
        shown,
        notes.status or "without an answer",
        took,
        address or "nowhere",
        extra={
            "method": scope["method"],
            "path": shown,
            "status": notes.status,
            "ms": took,
            "address": address,
            "user": notes.user,
            "token": notes.token,
        },
    )


def _header(scope: dict[str, Any], name: bytes) -> str:
    values = [value.decode("latin-1") for key, value in scope["headers"] if key == name]
    return ", ".join(values)
