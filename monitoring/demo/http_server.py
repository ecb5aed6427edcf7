"""The HTTP side that the demo services share: bounded connections and bodies, JSON for every answer.

Each connection carries one request, so a thread is free again as soon as it has answered.
"""

import contextlib
import json
import socket
import socketserver
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from monitoring.demo import log
from monitoring.demo.answers import Answer, Refused, Request

Handler = Callable[[Request], Answer]
Routes = dict[tuple[str, str], Handler]
"""By method and path; a path ending in ``/*`` takes any last part."""

LARGEST_DISCARD = 16 * 1024 * 1024
DISCARD_SECONDS = 3.0


class Server(ThreadingHTTPServer):
    """A thread per request, never more than ``most_requests`` at once; others get 503 right away."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self, address: tuple[str, int], routes: Routes, *, largest_body: int, request_seconds: float
    ) -> None:
        """Bind and listen. Raises OSError where the port is taken."""
        self.routes = routes
        self.largest_body = largest_body
        self.request_seconds = request_seconds
        self.most_requests = 64
        self._places = threading.BoundedSemaphore(self.most_requests)
        super().__init__(address, Exchange)

    def server_bind(self) -> None:
        """Bind without looking up the host's name, which can take seconds without a name server."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Hand the connection to a thread, or refuse it when all places are taken."""
        if self._places.acquire(blocking=False):
            try:
                super().process_request(request, client_address)
            except BaseException:
                self._places.release()
                raise
            return
        with contextlib.suppress(OSError):
            request.sendall(
                b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n"
                b"Content-Length: 0\r\nConnection: close\r\n\r\n"
            )
        self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection and give its place back."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that went away is no fault of ours, and faults of ours are logged."""

    def stop_accepting(self) -> None:
        """Close the port and end ``serve_forever``. Requests under way go on."""
        with contextlib.suppress(OSError):
            # Wakes the thread that polls the socket; closing alone would leave it asleep.
            self.socket.shutdown(socket.SHUT_RDWR)
        self.shutdown()
        self.server_close()

    def drain(self, seconds: float) -> bool:
        """Wait until every request has been answered, ``seconds`` at most; return whether so."""
        until = time.monotonic() + seconds
        for _ in range(self.most_requests):
            if not self._places.acquire(timeout=max(0.0, until - time.monotonic())):
                return False
        return True


class Exchange(BaseHTTPRequestHandler):
    """One request and its answer."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "medimgr-demo"
    sys_version = ""
    timeout = 15.0
    """Seconds to wait for the next bytes of a request."""

    def handle(self) -> None:
        """Serve the one request of this connection."""
        self.close_connection = True
        with contextlib.suppress(ConnectionError, TimeoutError):
            self.handle_one_request()

    def _serve(self) -> None:
        self.close_connection = True
        self.unread = 0
        began = time.monotonic()
        parts = urlsplit(self.path)
        try:
            handler, tail = self._route(parts.path)
            body = self._read_body(began + self.server.request_seconds)
            request = Request(
                self.command,
                parts.path,
                dict(parse_qsl(parts.query)),
                body,
                began + self.server.request_seconds,
                tail,
            )
            answer = handler(request)
            retry_after = None
        except Refused as refused:
            answer, retry_after = Answer({"error": refused.message}, refused.status), refused.retry_after
        except ConnectionError:
            raise
        except Exception as fault:  # whatever it is, the client gets an answer and the log the cause
            log.error(f"{self.command} {parts.path}: {type(fault).__name__}: {fault}")
            answer, retry_after = Answer({"error": "Something went wrong here; see the log."}, 500), None
        self._send(answer, retry_after)
        if parts.path != "/health":
            spent = (time.monotonic() - began) * 1000
            level = "INFO" if answer.status < 400 else "WARNING"
            log.log(level, f"{self.command} {parts.path} {answer.status} in {spent:.1f} ms")
        self._discard_unread()

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _serve  # noqa: N815 - the names that http.server calls

    def _route(self, path: str) -> tuple[Handler, str]:
        routes = self.server.routes
        parent, _, tail = path.rpartition("/")
        for known, rest in ((path, ""), (f"{parent}/*", tail)):
            if (self.command, known) in routes:
                return routes[self.command, known], rest
            allowed = sorted(method for method, other in routes if other == known)
            if allowed:
                self.unread = self._length()
                raise Refused(405, f"{path} takes {' and '.join(allowed)}, not {self.command}.")
        self.unread = self._length()
        raise Refused(404, f"There is no {path} here.")

    def _length(self) -> int:
        text = self.headers.get("Content-Length", "0")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0

    def _read_body(self, deadline: float) -> bytes:
        if self.command not in {"POST", "PUT", "PATCH"}:
            return b""
        text = self.headers.get("Content-Length")
        if text is None or "Transfer-Encoding" in self.headers:
            self.unread = LARGEST_DISCARD
            raise Refused(411, "Send the body with a Content-Length.")
        if not text.isascii() or not text.isdigit() or len(text) > 15:
            raise Refused(400, "The Content-Length is not a number.")
        length = int(text)
        if length > self.server.largest_body:
            self.unread = length
            raise Refused(413, f"The body has {length} bytes; at most {self.server.largest_body} are taken.")
        pieces: list[bytes] = []
        while length:
            if time.monotonic() >= deadline:
                raise Refused(408, "The body did not arrive in time.")
            try:
                piece = self.rfile.read1(min(length, 65536))
            except TimeoutError:
                raise Refused(408, "The body did not arrive in time.") from None
            if not piece:
                raise Refused(400, "The body is shorter than its Content-Length says.")
            pieces.append(piece)
            length -= len(piece)
        return b"".join(pieces)

    def _send(self, answer: Answer, retry_after: int | None) -> None:
        body = answer.body()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type())
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        if retry_after is not None:
            self.send_header("Retry-After", str(retry_after))
        if answer.see_other:
            self.send_header("Location", answer.see_other)
        self.end_headers()
        self.wfile.write(body)

    def _discard_unread(self) -> None:
        """Read a refused body and throw it away: closing on it would reset the client before it reads."""
        left = min(self.unread, LARGEST_DISCARD)
        until = time.monotonic() + DISCARD_SECONDS
        with contextlib.suppress(OSError):
            self.connection.settimeout(DISCARD_SECONDS)
            while left > 0 and time.monotonic() < until:
                piece = self.rfile.read1(min(left, 65536))
                if not piece:
                    return
                left -= len(piece)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer a request that is no proper HTTP, in JSON like every other."""
        body = json.dumps({"error": message or explain or "Bad request."}).encode() + b"\n"
        self.close_connection = True
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: each answer is logged once, where it is sent."""
