"""Asks a service whether it is well: an HTTP GET, or a TCP connect."""

import asyncio
import contextlib
import http
import re
import socket
import time
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from monitoring.states import HealthKind
from monitoring.supervisor.spec import HealthCheck

_STATUS_LINE = re.compile(rb"HTTP/\d(?:\.\d)? ([1-9]\d\d)(?: [^\r\n]*)?\r?\n\Z")
_LINE_LIMIT = 8192
_REST_LIMIT = 65536
_REST_SECONDS = 0.25
_INTERIM_ANSWERS = 5


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What a probe found. ``hung``: the connection was accepted, but no answer came in time."""

    ok: bool
    hung: bool
    detail: str
    seconds: float
    """How long it took to know."""


class _Bad(Exception):
    """The service is not well; the message says how."""


class _Stage:
    """How far a probe has come: for the words about a timeout, and for how long it took to know."""

    accepted = False
    answered_at: float | None = None


async def probe(check: HealthCheck) -> ProbeResult:
    """Probe once, within ``check.timeout`` seconds. Never raises; may be cancelled at any time."""
    started = time.monotonic()
    deadline = asyncio.get_running_loop().time() + check.timeout
    stage = _Stage()
    ok, hung = False, False
    try:
        if check.kind is HealthKind.HTTP:
            detail = await _http(check.url, deadline, stage)
        elif check.kind is HealthKind.TCP:
            detail = await _tcp(check.port, deadline)
        else:
            detail = "no check declared"
        ok = True
    except _Bad as error:
        detail = str(error)
    except TimeoutError:
        hung = stage.accepted
        detail = f"{'accepted but did not answer' if hung else 'did not accept'} within {check.timeout:g} s"
    except OSError as error:
        detail = _words(error)
    except Exception as error:  # a URL that nothing can be made of; a probe must not end its supervisor
        detail = f"cannot be probed: {error or type(error).__name__}"
    return ProbeResult(ok, hung, detail, (stage.answered_at or time.monotonic()) - started)


def _words(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return "closed the connection without an answer"
    if isinstance(error, socket.gaierror):
        return f"its host name is not known ({error.strerror})"
    return f"cannot be reached: {error.strerror or error}"


async def _tcp(port: int, deadline: float) -> str:
    async with asyncio.timeout_at(deadline):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    await _close(writer)
    return "accepts connections"


async def _http(url: str, deadline: float, stage: _Stage) -> str:
    parts = urlsplit(url)
    host, port = parts.hostname, parts.port or 80
    if parts.scheme != "http" or not host:
        raise _Bad(f"{url} is not an http URL")
    request = _request(host, port, parts.path, parts.query)
    async with asyncio.timeout_at(deadline):
        reader, writer = await asyncio.open_connection(host, port, limit=_LINE_LIMIT)
    stage.accepted = True
    try:
        async with asyncio.timeout_at(deadline):
            writer.write(request)
            status = await _status(reader)
        stage.answered_at = time.monotonic()
        await _take_rest(reader, deadline)
    finally:
        await _close(writer)
    words = f"answered {status} {_phrase(status)}".rstrip()
    if not 200 <= status < 400:
        raise _Bad(words)
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
            raise _Bad("closed the connection without an answer")
        match = _STATUS_LINE.match(line)
        if match is None:
            raise _Bad("answered something that is not HTTP")
        status = int(match[1])
        if status >= 200:
            return status
        while (await reader.readline()).strip():
            pass
    raise _Bad("sent interim answers only")


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return ""


async def _take_rest(reader: asyncio.StreamReader, deadline: float) -> None:
    """Read what a healthy service sends at once, so that it does not log a connection reset."""
    left = _REST_LIMIT
    soon = min(deadline, asyncio.get_running_loop().time() + _REST_SECONDS)
    with contextlib.suppress(TimeoutError, OSError):
        async with asyncio.timeout_at(soon):
            while left > 0 and (block := await reader.read(left)):
                left -= len(block)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
