"""Rotates and compresses one log in a loop until it is killed: rotating.py LOG MAX_BYTES."""

import os
import sys
import threading
from pathlib import Path

from monitoring.supervisor.log_packing import pack_one
from monitoring.supervisor.log_rotation import rotate, settle


def main() -> None:
    """Take a log over from whoever was killed before, and go on."""
    log, max_bytes = Path(sys.argv[1]), int(sys.argv[2])
    rotating = threading.Lock()
    settle(log)
    os.write(1, b"settled\n")

    def pack() -> None:
        while True:
            pack_one(log, rotating, lambda: False)

    threading.Thread(target=pack, daemon=True).start()
    while True:
        with rotating:
            rotate(log, max_bytes=max_bytes, keep=100_000)


main()
