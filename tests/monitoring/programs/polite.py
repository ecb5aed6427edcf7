"""Serves POST on a port and tells in its log what happens to it; how it behaves its second argument says.

``ends``: ends once it is asked. ``agrees``: says yes, and goes on. ``refuses``: says no. ``hangs``: never
answers. SIGTERM ends it, unless a third argument says ``deaf``.
"""

import signal
import socket
import sys
import time
from types import FrameType


def say(words: str) -> None:
    print(words, flush=True)


def signalled(number: int, frame: FrameType | None) -> None:
    """Tell of SIGTERM; end by it unless deaf."""
    say("signalled")
    if "deaf" not in sys.argv[3:]:
        sys.exit(0)


def main() -> None:
    """Serve until asked to end."""
    signal.signal(signal.SIGTERM, signalled)
    port, manner = int(sys.argv[1]), sys.argv[2]
    listener = socket.create_server(("127.0.0.1", port))
    say("ready")
    while True:
        connection, _ = listener.accept()
        with connection:
            first = connection.recv(4096).split(b"\r\n")[0].decode()
            say(f"asked by {first}")
            if manner == "hangs":
                time.sleep(600)
            status = "403 Forbidden" if manner == "refuses" else "202 Accepted"
            connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
        if manner == "ends":
            say("ends by itself")
            sys.exit(7)


main()
