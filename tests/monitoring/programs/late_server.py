"""Listens on a port so many seconds after its start, and then answers every GET with 200."""

import socket
import sys
import time

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def main() -> None:
    """Serve for ever."""
    port, seconds = int(sys.argv[1]), float(sys.argv[2])
    time.sleep(seconds)
    listener = socket.create_server(("127.0.0.1", port), backlog=64)
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(1.0)
            try:
                if connection.recv(4096):
                    connection.sendall(ANSWER)
            except OSError:
                continue


main()
