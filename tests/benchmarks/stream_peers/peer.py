"""What every server of streams that is measured has to offer."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.benchmarks.beacons import CannotMeasure
from tests.benchmarks.peers.medimgr_here import ROOT

START_SECONDS = 30.0


class StreamPeer(ABC):
    """One server with one worker, its files in ``directory``."""

    title: str
    path = "/events/"
    """Of the stream, query included."""
    publish_path = "/publish/"
    cookies: Path | None = None
    """A file with a cookie for each connection, where one has to be logged in."""

    waits_for_acknowledgements = False
    """Whether it waits for the acknowledgement of a message before it sends the next (Nagle's algorithm)."""

    def __init__(self, directory: Path) -> None:
        """Use ``directory``, which exists and is empty."""
        self.directory = directory
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def version(self) -> str:
        """Return which version is measured, installed where it can be. Raises CannotMeasure otherwise."""

    @abstractmethod
    def command(self) -> list[str]:
        """Return the command that serves in the foreground."""

    def environment(self) -> Mapping[str, str]:
        """Return the environment of the server and of the publisher."""
        return os.environ

    def prepare(self, connections: int) -> None:
        """Make what the server needs before it starts, such as a login for each connection."""
        self.cookies = None

    def publisher(self, first: int) -> list[str]:
        """Return the command that publishes, with messages from number ``first``."""
        module = "tests.benchmarks.stream_peers.publish_posts"
        return [sys.executable, "-m", module, str(self.port), self.publish_path, str(first)]

    def descriptors(self) -> tuple[int, ...]:
        """Return the descriptors that the server inherits."""
        return ()

    def database_connections(self) -> int | None:
        """Return how many the server has open; None for a server without a database."""
        return None

    # --- running -----------------------------------------------------------------------------------
    def start(self, cpu: int | None) -> None:
        """Start on core ``cpu`` and wait until it answers. Raises CannotMeasure."""
        with (self.directory / "output").open("ab") as output, _on_core(cpu):
            self.process = subprocess.Popen(
                self.command(),
                cwd=ROOT,
                env=dict(self.environment()),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=self.descriptors(),
            )
        end = time.monotonic() + START_SECONDS
        while not self._answers():
            if time.monotonic() > end or self.process.poll() is not None:
                raise CannotMeasure(f"{self.title} does not serve. {self.output()}")
            time.sleep(0.1)

    def _answers(self) -> bool:
        # Any path will do: a 404 is an answer too.
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(line):
            line.request("GET", "/no-such-page")
            line.getresponse().read()
            return True
        return False

    def pids(self) -> list[int]:
        """Return the processes of the server."""
        assert self.process is not None
        with contextlib.suppress(OSError):
            children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
            return [self.process.pid, *map(int, children.split())]
        raise CannotMeasure(f"{self.title} has ended. {self.output()}")

    def stop(self) -> None:
        """End the server, come what may. Idempotent."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
            return
        # Some wait for streams for ever; the session is our own, so is the group.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def output(self) -> str:
        """Return the end of what it has said."""
        path = self.directory / "output"
        return path.read_text(errors="replace")[-2000:] if path.exists() else ""


@contextlib.contextmanager
def _on_core(cpu: int | None) -> Iterator[None]:
    """Run on one core: what is started meanwhile stays there."""
    free = os.sched_getaffinity(0)
    try:
        if cpu is not None:
            os.sched_setaffinity(0, {cpu})
        yield
    finally:
        os.sched_setaffinity(0, free)


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
