"""A proxy as they stand before many servers: it collects an answer until that is complete, then passes it on.

A stream is never complete, so nothing of it arrives. Where its client goes, it closes the server's side.
"""

import contextlib
import select
import socket
import threading
from collections.abc import Iterator

_PIECE = 65536


class BufferingProxy:
    """Listens on loopback and forwards each request over a connection of its own."""

    def __init__(self, server: int) -> None:
        """Forward to the port ``server`` of loopback."""
        self._server = server
        self.holds_back = True
        """Whether answers are collected; otherwise each piece is passed on as it comes."""
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._stop = threading.Event()

    def start(self) -> None:
        """Serve from now on, each connection in a thread."""
        self._start(self._accept)

    def stop(self) -> None:
        """Close all connections and wait for the threads."""
        self._stop.set()
        self._listener.close()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        self._listener.settimeout(0.1)
        while not self._stop.is_set():
            with contextlib.suppress(OSError):
                client, _ = self._listener.accept()
                self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            request = self._request(client)
            if request:
                with socket.create_connection(("127.0.0.1", self._server)) as server:
                    server.sendall(request)
                    self._pass_on(server, client)

    def _request(self, client: socket.socket) -> bytes:
        """Return one whole request that asks for the connection to end after it; empty where none comes."""
        client.settimeout(0.1)
        received = b""
        while b"\r\n\r\n" not in received or len(received) < _length(received):
            if self._stop.is_set():
                return b""
            with contextlib.suppress(TimeoutError):
                if not (piece := client.recv(_PIECE)):
                    return b""
                received += piece
        head, _, body = received.partition(b"\r\n\r\n")
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
        return b"\r\n".join([*lines, b"Connection: close"]) + b"\r\n\r\n" + body

    def _pass_on(self, server: socket.socket, client: socket.socket) -> None:
        kept = b""
        while not self._stop.is_set():
            readable, _, _ = select.select([server, client], [], [], 0.1)
            if client in readable and not client.recv(_PIECE):
                return
            if server in readable:
                piece = server.recv(_PIECE)
                kept += piece
                if not (self.holds_back and piece):
                    client.settimeout(10)
                    client.sendall(kept)
                    kept = b""
                if not piece:
                    return


def _length(received: bytes) -> int:
    head, _, _ = received.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return len(head) + 4 + (int(lengths[0].partition(b":")[2]) if lengths else 0)


@contextlib.contextmanager
def buffering_proxy(server: int) -> Iterator[BufferingProxy]:
    """Run a proxy before the port ``server`` of loopback for the length of the block."""
    proxy = BufferingProxy(server)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
