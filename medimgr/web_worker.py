"""One web worker of ``manage.py up``: Daphne on a listening socket that the supervisor holds.

    python -m medimgr.web_worker --fd 90

Beside what the ``daphne`` command does, it tells the supervisor how it is (READY=1 once it serves, then
WATCHDOG=1 from its event loop, and X_REQUESTS), and it ends without a client noticing: see
:mod:`medimgr.draining`. A worker whose loop hangs when it is told to end says where, and ends at once.
"""

# First, since the one tells Twisted what to do without, and the other chooses its reactor.
import medimgr.without_tls  # noqa: F401  # isort: skip
from daphne.server import Server, twisted_loop  # isort: skip

import argparse
import faulthandler
import logging
import os
import signal
import socket
import sys
import time
from types import FrameType
from typing import Any

from django.conf import settings
from django.urls import get_resolver
from twisted.internet import reactor as installed_reactor

from medimgr.arrival import Arrivals
from medimgr.asgi import application, deadline
from medimgr.draining import Connections, drain
from medimgr.events import figures
from medimgr.garbage import Garbage
from medimgr.lib.loops import background
from medimgr.lib.service_notify import ServiceNotify
from medimgr.tallies.process_report import WEB
from medimgr.tallies.reporting import reporting

BEAT_SECONDS = 2.0
"""Every how many seconds the event loop tells that it turns."""
HUNG_SECONDS = 5.0
"""A loop that has not turned for so long will not finish anything in order either."""
SWITCH_SECONDS = 0.0005
CLOSE_SECONDS = 5
"""So long the application may take to end a request whose client is gone."""
reactor: Any = installed_reactor


class WebWorker:
    """Daphne, the socket it serves, and the beat by which the supervisor knows it."""

    def __init__(self, fd: int) -> None:
        """Take the descriptor of a listening TCP socket. Nothing is served before :meth:`run`."""
        self._fd = fd
        self._notify = ServiceNotify.from_environment()
        self._port: Any = None
        self._beat_at = time.monotonic()
        self._stops = 0
        self._garbage = Garbage(lambda: sum(figures.of_this_process.streams_ended.values()))
        self._server = Server(
            application,
            endpoints=["none"],
            signal_handlers=False,
            application_close_timeout=CLOSE_SECONDS,
            verbosity=0,
            server_name="",
        )
        # It knows endpoints of IPv4 only, and would listen before all is ready.
        self._server.endpoints = []

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT, in the main thread."""
        twisted_loop.call_soon(self._begin)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._asked_to_end)
        with reporting(WEB):
            self._server.run()

    def _begin(self) -> None:
        get_resolver().url_patterns  # noqa: B018  (loads every view, which the first request need not wait for)
        # A message passes through two threads, each of which may have to wait so long for a third one.
        sys.setswitchinterval(SWITCH_SECONDS)
        self._garbage.begin()
        background(self._garbage.look_on(), name="garbage")
        self._connections = Connections(self._server.http_factory)
        Arrivals(
            self._server.http_factory,
            reactor,
            largest=settings.MEDIMGR_REQUEST_MAX_BODY_MB * 1_048_576,
            seconds=settings.MEDIMGR_REQUEST_ARRIVAL_SECONDS,
        )
        with socket.socket(fileno=os.dup(self._fd)) as listening:
            family = listening.family
        # Another worker may be the quicker one to accept.
        os.set_blocking(self._fd, False)
        self._port = reactor.adoptStreamPort(self._fd, family, self._server.http_factory)
        os.close(self._fd)  # Twisted has a copy
        self._beat()

    def _beat(self) -> None:
        self._beat_at = time.monotonic()
        # All of it each time: whoever listens now may not have been there the last time.
        if self._stops == 0:
            self._notify.tell("READY=1", "WATCHDOG=1", f"X_REQUESTS={deadline.begun}")
        else:
            self._notify.tell("STOPPING=1", "WATCHDOG=1")
        twisted_loop.call_later(BEAT_SECONDS, self._beat)

    def _asked_to_end(self, _number: int, _frame: FrameType | None) -> None:
        """Handle a signal: between any two instructions of this thread, the hung one included."""
        if time.monotonic() - self._beat_at > HUNG_SECONDS:
            os.write(2, b"The event loop hangs, so nothing can be finished in order. It hangs here:\n")
            faulthandler.dump_traceback(all_threads=False)
            os._exit(1)
        twisted_loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        self._stops += 1
        if self._stops > 1 or self._port is None:
            self._stop()
            return
        self._notify.tell("STOPPING=1")
        background(self._finish(), name="drain", on_death=self._stop)

    async def _finish(self) -> None:
        await drain(self._port, self._connections, deadline, settings.MEDIMGR_WEB_DRAIN_SECONDS)
        self._stop()

    def _stop(self) -> None:
        if reactor.running:
            reactor.stop()


def main(arguments: list[str]) -> None:
    """Serve as the command line says."""
    parser = argparse.ArgumentParser(prog="medimgr.web_worker", description="One web worker of manage.py up.")
    parser.add_argument("--fd", type=int, required=True, help="the descriptor of the listening socket")
    fd: int = parser.parse_args(arguments).fd
    logging.getLogger("daphne").setLevel(logging.WARNING)
    WebWorker(fd).run()


if __name__ == "__main__":
    main(sys.argv[1:])
