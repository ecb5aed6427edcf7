"""Ends its first thread while another goes on, then exits with code 5 at SIGTERM."""

import ctypes
import os
import platform
import signal
import sys
import threading
import time

EXIT_ONE_THREAD = {"x86_64": 60, "aarch64": 93}


def go_on() -> None:
    """Wait for SIGTERM in the only thread that is left."""
    signal.sigwait({signal.SIGTERM})
    os._exit(5)


def main() -> None:
    """Hand over to the other thread and end this one alone."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=go_on).start()
    print("handing over", flush=True)
    time.sleep(0.05)
    ctypes.CDLL(None).syscall(EXIT_ONE_THREAD[platform.machine()], 0)
    sys.exit("still there")


main()
