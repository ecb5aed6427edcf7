"""Ends at SIGTERM itself and leaves a child in its group that does not. Writes the child's pid."""

import os
import signal
import time


def main() -> None:
    """Start the child, once it ignores the signal, and wait for ours."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = os.fork()
    if child > 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        print(child, flush=True)
    time.sleep(60)


main()
