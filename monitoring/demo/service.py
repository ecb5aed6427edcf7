"""The life of a demo service: settings from the environment, chores, health, SIGTERM, a clean end."""

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from monitoring.demo import log
from monitoring.demo.answers import Answer, Request
from monitoring.demo.client import Unreachable
from monitoring.demo.http_server import Handler, Routes, Server

DRAIN_SECONDS = 2.0
ENDING = frozenset({signal.SIGTERM, signal.SIGINT})
HealthReport = tuple[bool, dict[str, Any]]


def setting(name: str, default: str) -> str:
    """Return an environment variable, ``default`` where it is unset or empty."""
    return os.environ.get(name) or default


def number(name: str, default: float, *, least: float, most: float) -> float:
    """Return an environment variable as a number. Ends the process with a plain message if it is none."""
    text = setting(name, str(default))
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        log.error(f"{name}={text!r} has to be a number from {least:g} to {most:g}.")
        raise SystemExit(2)
    return value


class Service:
    """A server with routes and periodic chores. Make one, add to it, and call :meth:`run`."""

    def __init__(
        self, name: str, port: int, *, largest_body: int = 65536, request_seconds: float = 30.0
    ) -> None:
        """Read HOST, PORT and REQUEST_SECONDS from the environment; ``port`` is the default."""
        self.name = name
        self.host = setting("HOST", "127.0.0.1")
        self.port = int(number("PORT", port, least=1, most=65535))
        self.stopping = threading.Event()
        self._largest_body = largest_body
        self._request_seconds = number("REQUEST_SECONDS", request_seconds, least=0.001, most=86400)
        self._routes: Routes = {("GET", "/health"): self._health}
        self._chores: list[tuple[float, Callable[[], None], str]] = []
        self._report: Callable[[], HealthReport] = lambda: (True, {})
        self._began = time.monotonic()

    @property
    def url(self) -> str:
        """Return where the others reach this service."""
        return f"http://{self.host}:{self.port}"

    def route(self, method: str, path: str, handler: Handler) -> None:
        """Answer ``method path`` with ``handler``; a path ending in ``/*`` takes any last part."""
        self._routes[method, path] = handler

    def every(self, seconds: float, chore: Callable[[], None], name: str) -> None:
        """Run ``chore`` at once and then with ``seconds`` of rest after each run, in its own thread."""
        self._chores.append((seconds, chore, name))

    def health(self, report: Callable[[], HealthReport]) -> None:
        """Let ``report`` say whether the service can do its work, and with what figures."""
        self._report = report

    def _health(self, _request: Request) -> Answer:
        fine, figures = self._report()
        content = {
            "service": self.name,
            "status": "ok" if fine else "failing",
            "pid": os.getpid(),
            "uptime_seconds": round(time.monotonic() - self._began, 1),
            **figures,
        }
        return Answer(content, 200 if fine else 503)

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT; return the exit code."""
        # Blocked here and so in every thread, they wait until sigwait() takes them: no handler ever
        # interrupts anything half-way.
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        try:
            server = Server(
                (self.host, self.port),
                self._routes,
                largest_body=self._largest_body,
                request_seconds=self._request_seconds,
            )
        except OSError as fault:
            log.error(
                f"{self.name} cannot listen on {self.host}:{self.port}: {fault.strerror}. "
                "Free the port, or set PORT to another one."
            )
            return 1
        log.info(f"{self.name} listens on {self.url} as pid {os.getpid()}")
        threading.Thread(target=server.serve_forever, args=(3600.0,), daemon=True).start()
        chores = [threading.Thread(target=self._repeat, args=chore, daemon=True) for chore in self._chores]
        for thread in chores:
            thread.start()
        received = signal.Signals(signal.sigwait(ENDING))
        log.info(f"{self.name} ends after {received.name}")
        self.stopping.set()
        server.stop_accepting()
        until = time.monotonic() + DRAIN_SECONDS
        if not server.drain(DRAIN_SECONDS):
            log.warning(f"{self.name} leaves requests unanswered")
        for thread in chores:
            thread.join(max(0.0, until - time.monotonic()))
        log.info(f"{self.name} has ended")
        return 0

    def _repeat(self, seconds: float, chore: Callable[[], None], name: str) -> None:
        troubled = False
        while not self.stopping.is_set():
            try:
                chore()
                if troubled:
                    log.info(f"{name} works again")
                troubled = False
            except Unreachable as fault:
                # Said once, not at every try: the peer's own state shows how long it lasts.
                if not troubled:
                    log.warning(f"{name} has to wait: {fault}")
                troubled = True
            except Exception as fault:  # a chore that fails once must not end for ever
                log.error(f"{name} failed: {type(fault).__name__}: {fault}")
            self.stopping.wait(seconds)
