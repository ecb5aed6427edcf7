"""Takes as many seconds to end after SIGTERM as its argument says; says "ready" once it would."""

import signal
import sys
import time


def main() -> None:
    """Wait for the signal, then a while longer."""
    signal.signal(signal.SIGTERM, lambda *_: (time.sleep(float(sys.argv[1])), sys.exit(0)))
    print("ready", flush=True)
    while True:
        time.sleep(60)


main()
