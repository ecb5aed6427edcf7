"""Sends one POST without a body and waits for the answer's status: how a service is asked to stop."""

import asyncio
import re
import socket
from urllib.parse import quote, urlsplit

from monitoring.supervisor.http_probe import Stage, close, connected
from monitoring.supervisor.name_lookup import NameLookup

_STATUS_LINE = re.compile(rb"HTTP/\d(?:\.\d)? ([1-9]\d\d)(?: ([^\r\n]*))?\r?\n\Z")
_INTERIM_ANSWERS = 5
_SAFE = "/%:@!$&'()*+,;=~-._"


async def post(url: str, seconds: float, names: NameLookup) -> tuple[bool, str]:
    """Return whether whoever serves ``url`` took the POST within ``seconds``, and what came of it in words.

    A status from 200 to 399 takes it, and so does an end of the connection after the whole request: who is
    asked to end may do so at once. Never raises but when it is cancelled.
    """
    try:
        async with asyncio.timeout(seconds):
            return await _post(url, names)
    except TimeoutError:
        return False, f"no answer within {seconds:g} s"
    except ConnectionRefusedError:
        return False, "connection refused"
    except socket.gaierror as error:
        return False, f"its host name is not known ({error.strerror})"
    except OSError as error:
        return False, f"it cannot be reached: {error.strerror or error}"
    except ValueError as error:
        return False, f"its URL makes no sense: {error}"


async def _post(url: str, names: NameLookup) -> tuple[bool, str]:
    parts = urlsplit(url)
    host, port = parts.hostname, parts.port or 80
    if parts.scheme != "http" or not host:
        raise ValueError("it is not an http URL")
    request = _request(host, port, parts.path, parts.query)
    reader, writer = await connected(host, port, Stage(), names)
    try:
        writer.write(request)
        return await _answer(reader)
    finally:
        await close(writer)


async def _answer(reader: asyncio.StreamReader) -> tuple[bool, str]:
    for _ in range(_INTERIM_ANSWERS):
        try:
            line = await reader.readline()
        except ConnectionError:
            line = b""
        if not line:
            return True, "closed the connection"
        match = _STATUS_LINE.match(line)
        if match is None:
            return False, "answered something that is not HTTP"
        status = int(match[1])
        if status >= 200:
            phrase = (match[2] or b"").decode("ascii", "replace")
            return status < 400, f"answered {status} {phrase}".rstrip()
        while (await reader.readline()).strip():
            pass
    return False, "sent interim answers only"


def _request(host: str, port: int, path: str, query: str) -> bytes:
    target = quote(path or "/", safe=_SAFE)
    if query:
        target += "?" + quote(query, safe=_SAFE + "?")
    name = f"[{host}]" if ":" in host else host.encode("idna").decode("ascii")
    lines = [
        f"POST {target} HTTP/1.1",
        f"Host: {name}" if port == 80 else f"Host: {name}:{port}",
        "User-Agent: medimgr",
        "Accept: */*",
        "Content-Length: 0",
        "Connection: close",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")
