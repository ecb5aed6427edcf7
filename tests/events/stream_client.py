"""A stream read over a plain socket, so that a test decides when to read and how to leave."""

import contextlib
import socket
import struct
import time
import zlib
from types import TracebackType
from typing import Any
from urllib.parse import urlencode

from tests.events.sse import Message, SseParser


class StreamClient:
    """One GET of a stream. Reads nothing by itself; every wait has a deadline."""

    def __init__(
        self,
        port: int,
        session: str = "",
        headers: dict[str, str] | None = None,
        *,
        host: str = "127.0.0.1",
        receive_buffer: int = 0,
        **query: Any,
    ) -> None:
        """Connect and send the request; ``query`` becomes the query string."""
        self.messages: list[Message] = []
        self._parser = SseParser()
        self._raw = b""
        self._ended = False
        self._unzip: Any = None
        self.received_bytes = 0
        """Of the body, as they came."""
        lines = [f"GET /events/?{urlencode(query)} HTTP/1.1", "Host: 127.0.0.1", "Accept: text/event-stream"]
        if session:
            lines.append(f"Cookie: sessionid={session}")
        lines.extend(f"{name}: {value}" for name, value in (headers or {}).items())
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(10)
        try:
            self.socket.connect((host, port))
            self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        except OSError:
            self.socket.close()
            raise

    def __enter__(self) -> "StreamClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    # --- reading ---------------------------------------------------------------------------------
    def answer(self, timeout: float = 10) -> tuple[int, dict[str, str]]:
        """Return status and headers (names in lower case)."""
        self._read_until(lambda: b"\r\n\r\n" in self._raw, timeout, "the headers of the answer")
        head, _, self._raw = self._raw.partition(b"\r\n\r\n")
        first, *rest = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(": ") for line in rest)
        headers = {name.lower(): value for name, _, value in pairs}
        if headers.get("content-encoding") == "gzip":
            self._unzip = zlib.decompressobj(31)
        return int(first.split()[1]), headers

    def body(self, timeout: float = 10) -> bytes:
        """Return the body of an answer that is no stream."""
        _, headers = self.answer(timeout)
        length = int(headers["content-length"])
        self._read_until(lambda: len(self._raw) >= length, timeout, "the body")
        return self._raw[:length]

    def start(self) -> "StreamClient":
        """Read the headers and ``hello``; return the client."""
        status, headers = self.answer()
        assert status == 200, (status, headers, self._raw)
        assert headers["content-type"].startswith("text/event-stream")
        self.hello = self.next("hello").data
        return self

    def next(self, *names: str, timeout: float = 10) -> Message:
        """Return the next message (of one of these names, passing over others)."""
        end = time.monotonic() + timeout
        while True:
            self._decode()
            while self.messages:
                message = self.messages.pop(0)
                if not names or message.name in names:
                    return message
            if self._ended:
                raise AssertionError(f"The stream has ended; waited for {names}.")
            self._receive(end - time.monotonic(), f"a message {names}")

    def until_end(self, timeout: float = 10) -> list[Message]:
        """Return all messages up to the end of the response."""
        end = time.monotonic() + timeout
        self._decode()
        while not self._ended:
            self._receive(end - time.monotonic(), "the end of the stream")
            self._decode()
        return self.messages

    @property
    def is_whole(self) -> bool:
        """Return whether a compressed response has come to its proper end: size and checksum are right."""
        return bool(self._unzip and self._unzip.eof)

    @property
    def last_event_id(self) -> str:
        """Return what a browser would send as ``Last-Event-ID``."""
        return self._parser.last_event_id

    def _read_until(self, condition: Any, timeout: float, what: str) -> None:
        end = time.monotonic() + timeout
        while not condition():
            self._receive(end - time.monotonic(), what)

    def _receive(self, timeout: float, what: str) -> None:
        self.socket.settimeout(max(0.001, timeout))
        try:
            chunk = self.socket.recv(65536)
        except TimeoutError:
            raise AssertionError(f"Waited in vain: {what}. Have {self._raw!r}") from None
        if not chunk:
            if self._ended:
                return
            raise ConnectionResetError(f"The server closed the connection; waited for {what}.")
        self._raw += chunk

    def _decode(self) -> None:
        """Take whole chunks (RFC 9112, section 7.1) off what has come in."""
        while b"\r\n" in self._raw and not self._ended:
            size_line, _, rest = self._raw.partition(b"\r\n")
            size = int(size_line, 16)
            if len(rest) < size + 2:
                return
            assert rest[size : size + 2] == b"\r\n"
            self._raw = rest[size + 2 :]
            self._ended = size == 0
            self.received_bytes += size
            plain = self._unzip.decompress(rest[:size]) if self._unzip else rest[:size]
            self.messages.extend(self._parser.feed(plain))

    # --- leaving ---------------------------------------------------------------------------------
    def close(self) -> None:
        """Leave as a closed tab does (FIN)."""
        self.socket.close()

    def abort(self) -> None:
        """Leave as a crashed browser does (RST)."""
        with contextlib.suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()
