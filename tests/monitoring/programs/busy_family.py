"""A main process with children: one in its group, one in a session of its own, one daemon (double fork).

Says "ready" once all are there. The first child ignores SIGTERM, as badly behaved ones do.
"""

import os
import signal
import time


def child(how: str) -> None:
    """Start one child that sleeps."""
    if os.fork() > 0:
        return
    if how != "near":
        os.setsid()
    if how == "daemon" and os.fork() > 0:
        os._exit(0)
    if how == "near":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)
    os._exit(0)


def main() -> None:
    """Start them and wait; a child that ends is collected, and no other takes its place."""
    for how in ("near", "session", "daemon"):
        child(how)
    print("ready", flush=True)
    while True:
        try:
            os.wait()
        except ChildProcessError:
            time.sleep(600)


main()
