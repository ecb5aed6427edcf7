"""One GET, by hand: what it costs and how long it takes is bounded, and each way to fail has words."""

import asyncio
import contextlib
import http
import re
import time
from urllib.parse import quote, urlsplit

from monitoring.supervisor.name_lookup import NameLookup

_STATUS_LINE = re.compile(rb"HTTP/\d(?:\.\d)? ([1-9]\d\d)(?: [^\r\n]*)?\r?\n\Z")
_CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,8})[ \t]*(?:;[^\r\n]*)?\r?\n\Z")
_LINE_LIMIT = 8192
_HEADERS = 200
_REST_LIMIT = 65536
_REST_SECONDS = 0.25
_BODY_LIMIT = 1024 * 1024
_INTERIM_ANSWERS = 5


class Bad(Exception):
    """The service is not well; the message says how."""


class Stage:
    """How far a probe has come: for the words about a timeout, and for how long it took to know."""

    looking_up = ""
    """The host name that is being looked up."""
    accepted = False
    answered_at: float | None = None


async def connected(
    host: str, port: int, stage: Stage, names: NameLookup
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return a connection to the first address of ``host`` that accepts one. Raises OSError."""
    stage.looking_up = host
    addresses = await names.addresses(host)
    stage.looking_up = ""
    refused: OSError = ConnectionRefusedError()
    for address in addresses:
        try:
            return await asyncio.open_connection(address, port, limit=_LINE_LIMIT)
        except OSError as error:
            # Of several, the first is told: ::1 says nothing where IPv6 is switched off.
            refused = error if address == addresses[0] else refused
    raise refused


async def http_probe(url: str, text: str, deadline: float, stage: Stage, names: NameLookup) -> str:
    """Return how ``url`` has answered. Raises Bad where that is no success or does not hold ``text``."""
    parts = urlsplit(url)
    host, port = parts.hostname, parts.port or 80
    if parts.scheme != "http" or not host:
        raise Bad(f"{url} is not an http URL")
    request = _request(host, port, parts.path, parts.query)
    async with asyncio.timeout_at(deadline):
        reader, writer = await connected(host, port, stage, names)
    stage.accepted = True
    try:
        async with asyncio.timeout_at(deadline):
            writer.write(request)
            status = await _status(reader)
        stage.answered_at = time.monotonic()
        words = f"answered {status} {_phrase(status)}".rstrip()
        fine = 200 <= status < 400
        if fine and text:
            await _look_for(text, words, reader, deadline)
        else:
            await _take_rest(reader, deadline)
    finally:
        await close(writer)
    if not fine:
        raise Bad(words)
    return words


def _request(host: str, port: int, path: str, query: str) -> bytes:
    target = quote(path or "/", safe="/%:@!$&'()*+,;=~-._")
    if query:
        target += "?" + quote(query, safe="/?%:@!$&'()*+,;=~-._")
    name = f"[{host}]" if ":" in host else host.encode("idna").decode("ascii")
    lines = [
        f"GET {target} HTTP/1.1",
        f"Host: {name}" if port == 80 else f"Host: {name}:{port}",
        "User-Agent: medimgr-probe",
        "Accept: */*",
        "Connection: close",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


async def _status(reader: asyncio.StreamReader) -> int:
    """Return the status of the answer, past interim ones such as 103."""
    for _ in range(_INTERIM_ANSWERS):
        try:
            line = await reader.readline()
        except ValueError:
            line = b"?"  # longer than any status line
        if not line:
            raise Bad("closed the connection without an answer")
        match = _STATUS_LINE.match(line)
        if match is None:
            raise Bad("answered something that is not HTTP")
        status = int(match[1])
        if status >= 200:
            return status
        while (await reader.readline()).strip():
            pass
    raise Bad("sent interim answers only")


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return ""


async def _look_for(text: str, words: str, reader: asyncio.StreamReader, deadline: float) -> None:
    """Return once ``text`` has come. Raises Bad where it does not, by the end of the answer or in time."""
    wanted = text.encode("utf-8", "replace")
    body = _Body(wanted)
    why = f"without the text {text!r}"
    try:
        async with asyncio.timeout_at(deadline):
            await body.read(reader)
    except TimeoutError:
        why = f"and had not sent the text {text!r} in time"
    except (ValueError, OSError, asyncio.IncompleteReadError):
        why = f"and then something that is not HTTP, without the text {text!r}"
    if not body.found:
        raise Bad(f"{words} {why}")


class _Body:
    """Reads an answer's body up to a text or a limit; keeps no more than it needs."""

    def __init__(self, wanted: bytes) -> None:
        self._wanted = wanted
        self._end = b""
        self._left = _BODY_LIMIT
        self.found = False

    async def read(self, reader: asyncio.StreamReader) -> None:
        length, chunked = await _headers(reader)
        if chunked:
            while not self._done and (size := await _chunk_size(reader)):
                await self._block(reader, size)
                await reader.readline()
        else:
            await self._block(reader, _BODY_LIMIT if length is None else length)

    @property
    def _done(self) -> bool:
        return self.found or self._left <= 0

    async def _block(self, reader: asyncio.StreamReader, size: int) -> None:
        while size > 0 and not self._done:
            data = await reader.read(min(size, _REST_LIMIT))
            if not data:
                return
            size -= len(data)
            self._left -= len(data)
            seen = self._end + data
            self.found = self._wanted in seen
            self._end = seen[-len(self._wanted) :]


async def _headers(reader: asyncio.StreamReader) -> tuple[int | None, bool]:
    """Return how long the body is said to be, and whether it comes in chunks."""
    length, chunked = None, False
    for _ in range(_HEADERS):
        line = (await reader.readline()).strip().lower()
        if not line:
            return length, chunked
        name, _, value = line.partition(b":")
        if name == b"content-length" and value.strip().isdigit():
            length = min(int(value.strip()[:18]), _BODY_LIMIT)
        elif name == b"transfer-encoding":
            chunked = b"chunked" in value
    raise ValueError("too many headers")


async def _chunk_size(reader: asyncio.StreamReader) -> int:
    match = _CHUNK_SIZE.match(await reader.readline())
    if match is None:
        raise ValueError("not a chunk")
    return int(match[1], 16)


async def _take_rest(reader: asyncio.StreamReader, deadline: float) -> None:
    """Read what a healthy service sends at once, so that it does not log a connection reset."""
    left = _REST_LIMIT
    soon = min(deadline, asyncio.get_running_loop().time() + _REST_SECONDS)
    with contextlib.suppress(TimeoutError, OSError):
        async with asyncio.timeout_at(soon):
            while left > 0 and (block := await reader.read(left)):
                left -= len(block)


async def close(writer: asyncio.StreamWriter) -> None:
    """Let go of a connection without waiting for the other side."""
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
