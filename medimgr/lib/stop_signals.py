"""Turns SIGTERM and SIGINT into calls in the main thread's own time.

A Python signal handler runs between any two instructions of the main thread, also while that thread
holds the lock of a ``threading.Event``; setting the event there would wait for that lock for ever. So
the handlers do nothing, and the signal's number is read from a socket that the interpreter writes to.
Source: https://docs.python.org/3/library/signal.html#signal.set_wakeup_fd
"""

import contextlib
import signal
import socket
from collections.abc import Callable, Iterator

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """Waits in the main thread for signals to stop, or for another thread to say that all is done."""

    def __init__(self, receiving: socket.socket, sending: socket.socket) -> None:
        """Take both ends of the socket. See :func:`stop_signals`."""
        self._receiving = receiving
        self._sending = sending

    def done(self) -> None:
        """End :meth:`watch`. Safe from any thread."""
        with contextlib.suppress(OSError):
            self._sending.send(b"\0")

    def watch(self, *steps: Callable[[], None]) -> None:
        """Call the first step at the first signal, the second at the second, until :meth:`done`.

        Signals beyond the last step repeat that one.
        """
        count = 0
        while True:
            for number in self._receiving.recv(64):
                if number == 0:
                    return
                if number in STOP_SIGNALS:
                    steps[min(count, len(steps) - 1)]()
                    count += 1


@contextlib.contextmanager
def stop_signals() -> Iterator[StopSignals]:
    """Catch the signals to stop while the block runs. Main thread only; restores what was before."""
    receiving, sending = socket.socketpair()
    with receiving, sending:
        sending.setblocking(False)
        handlers = {number: signal.signal(number, lambda *_: None) for number in STOP_SIGNALS}
        wakeup = signal.set_wakeup_fd(sending.fileno(), warn_on_full_buffer=False)
        try:
            yield StopSignals(receiving, sending)
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in handlers.items():
                signal.signal(number, handler)
