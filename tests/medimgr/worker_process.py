"""One web worker as the supervisor would start it: with a listening socket and a socket to report to."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

from tests.running import ROOT, Instance, wait_for

SLOW = {"DJANGO_SETTINGS_MODULE": "tests.medimgr.slow_settings"}


class WorkerProcess:
    """Runs ``python -m medimgr.web_worker`` on a socket that this process holds, as ``up`` does."""

    def __init__(self, instance: Instance, listening: socket.socket | None = None, **variables: str) -> None:
        self.listening = listening or listen()
        self.port: int = self.listening.getsockname()[1]
        self._data_dir = instance.data_dir
        self.output = instance.directory / f"worker-{time.monotonic_ns()}.log"
        path = instance.directory / f"n{time.monotonic_ns() % 10**9}"
        self.reports = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.reports.bind(str(path))
        self.reports.settimeout(20)
        fd = self.listening.fileno()
        with self.output.open("ab") as sink:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "medimgr.web_worker", "--fd", str(fd)],
                cwd=ROOT,
                env=instance.env | {"NOTIFY_SOCKET": str(path)} | SLOW | variables,
                pass_fds=[fd],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def report(self) -> list[str]:
        """Return the assignments of the next datagram."""
        return self.reports.recv(4096).decode().split("\n")

    def ready(self) -> "WorkerProcess":
        """Wait for READY=1."""
        assert "READY=1" in self.report(), self.said()
        return self

    def happened(self) -> str:
        """Return what the slow views have written down."""
        path = self._data_dir / "slow-views"
        return path.read_text() if path.exists() else ""

    def said(self) -> str:
        return self.output.read_text()

    def url(self, path: str) -> str:
        host = "[::1]" if self.listening.family == socket.AF_INET6 else "127.0.0.1"
        return f"http://{host}:{self.port}{path}"

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url(path), timeout=20)

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def wait(self, timeout: float) -> int:
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"It still runs after {timeout:g} s.\n{self.said()}") from None

    def no_longer_accepts(self) -> None:
        """Wait until the worker has stopped listening; the test's own socket listens on."""
        inode = os.fstat(self.listening.fileno()).st_ino
        directory = Path(f"/proc/{self.process.pid}/fd")

        def copies() -> int:
            return sum(os.stat(fd).st_ino == inode for fd in directory.iterdir() if fd.exists())

        wait_for(lambda: copies() == 0, 5, "the worker stops accepting", self.said)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        self.reports.close()
        self.listening.close()


def listen(family: socket.AddressFamily = socket.AF_INET) -> socket.socket:
    """Return a socket that listens on loopback."""
    made = socket.socket(family, socket.SOCK_STREAM)
    made.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
    made.listen(100)
    return made
