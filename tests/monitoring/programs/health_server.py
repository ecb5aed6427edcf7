"""Answers GET on a port as a file says: ``200``, ``500`` or ``hang``; without the file it does not listen."""

import socket
import sys
import threading
import time
from pathlib import Path


def answer(connection: socket.socket, orders: Path) -> None:
    """Answer one request, or never."""
    with connection:
        connection.recv(4096)
        word = orders.read_text().strip()
        if word == "hang":
            time.sleep(600)
        connection.sendall(f"HTTP/1.1 {word} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())


def main() -> None:
    """Serve for ever."""
    port, orders = int(sys.argv[1]), Path(sys.argv[2])
    while not orders.exists():
        time.sleep(0.02)
    listener = socket.create_server(("127.0.0.1", port))
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=answer, args=(connection, orders), daemon=True).start()


main()
