"""Takes as many seconds to end after SIGTERM as its argument says; says "ready" once it would."""

import signal
import sys
import time


def stop(number: int, frame: object) -> None:
    """Take that time, then end."""
    time.sleep(float(sys.argv[1]))
    sys.exit(0)


def main() -> None:
    """Wait for the signal."""
    signal.signal(signal.SIGTERM, stop)
    print("ready", flush=True)
    while True:
        time.sleep(60)


main()
