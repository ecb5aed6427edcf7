"""Says READY=1 and then WATCHDOG=1 to NOTIFY_SOCKET, each for as long as a file of that name is there."""

import os
import socket
import sys
import time
from pathlib import Path


def main() -> None:
    """Talk for ever."""
    directory = Path(sys.argv[1])
    talker = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    ready = False
    while True:
        words = []
        if not ready and (directory / "READY").exists():
            ready = True
            words.append("READY=1")
        if (directory / "WATCHDOG").exists():
            words.append("WATCHDOG=1")
        try:
            if words:
                talker.sendto("\n".join(words).encode(), os.environ["NOTIFY_SOCKET"])
        except OSError:
            pass  # between two supervisors
        time.sleep(0.05)


main()
