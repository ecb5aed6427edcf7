"""Publishes the benchmarks' messages by HTTP: ``publish_posts.py PORT PATH FIRST``.

Each line of the input, "COUNT KIND", makes so many messages, one POST each, all of a line at once on a
connection that stays open; the number of the last one is the answer. Standard library alone.
"""

import contextlib
import json
import select
import socket
import sys

from tests.benchmarks.stream_peers.payload import payload


class Poster:
    """One kept-alive connection."""

    def __init__(self, port: int, path: str) -> None:
        self._port = port
        self._path = path
        self._socket: socket.socket | None = None

    def post(self, bodies: list[bytes]) -> None:
        """Post them all at once (pipelined) and wait for the answers. SystemExit where one is not 2xx."""
        line = self._connected()
        line.sendall(b"".join(map(self._request, bodies)))
        rest = b""
        for _ in bodies:
            while b"\r\n\r\n" not in rest:
                rest += self._some(line)
            head, _, rest = rest.partition(b"\r\n\r\n")
            if not head.split(b" ")[1].startswith(b"2"):
                raise SystemExit(f"The message was not taken: {head[:300]!r}")
            length = 0
            for field in head.lower().split(b"\r\n"):
                if field.startswith(b"content-length:"):
                    length = int(field.split(b":")[1])
            while len(rest) < length:
                rest += self._some(line)
            rest = rest[length:]

    def _request(self, body: bytes) -> bytes:
        head = (
            f"POST {self._path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def _some(self, line: socket.socket) -> bytes:
        data = line.recv(65536)
        if not data:
            raise SystemExit("The server closed the connection in the middle of an answer.")
        return data

    def _connected(self) -> socket.socket:
        # A server may have closed a connection that was idle; a message into it would be lost.
        if self._socket is not None and select.select([self._socket], [], [], 0)[0]:
            with contextlib.suppress(OSError):
                self._socket.close()
            self._socket = None
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=30)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._socket


def main() -> None:
    """Publish what is asked for until the input ends."""
    port, path, first = sys.argv[1:]
    poster = Poster(int(port), path)
    number = int(first) - 1
    for line in sys.stdin:
        count, kind = line.split()
        bodies = []
        for _ in range(int(count)):
            number += 1
            bodies.append(json.dumps(payload(number, kind), separators=(",", ":")).encode())
        poster.post(bodies)
        print(number, flush=True)


if __name__ == "__main__":
    main()
