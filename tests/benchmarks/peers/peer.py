"""What every supervisor that is measured has to offer."""

import contextlib
import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path


class Peer(ABC):
    """One supervisor, with its configuration and its processes in ``directory``."""

    title: str
    settle_seconds = 0.3
    """Between two crashes that are measured."""
    samples = 100
    """How many crashes are measured; fewer where each takes a second or more."""

    def __init__(self, directory: Path) -> None:
        """Use ``directory``, which exists and is empty."""
        self.directory = directory
        self.process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def version(self) -> str:
        """Return which version is measured. Raises CannotMeasure where it is not there."""

    @abstractmethod
    def declare(self, names: Sequence[str], beacon: Path, lines: Path) -> None:
        """Write the configuration for one beacon of each name, all writing to ``lines``."""

    @abstractmethod
    def command(self) -> list[str]:
        """Return the command that supervises in the foreground."""

    def environment(self) -> Mapping[str, str]:
        """Return the environment of that command."""
        return os.environ

    def start(self) -> None:
        """Start to supervise."""
        with (self.directory / "output").open("ab") as output:
            self.process = subprocess.Popen(
                self.command(),
                cwd=self.directory,
                env=dict(self.environment()),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def stop(self) -> None:
        """Ask it to stop all services and to end; returns at once."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)

    def own_pids(self) -> list[int]:
        """Return the supervising processes, services excluded."""
        assert self.process is not None
        return [self.process.pid]

    def kill(self) -> None:
        """Kill the supervisor alone, as a crash would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def wait(self, seconds: float) -> bool:
        """Return whether the supervisor has ended within ``seconds``."""
        assert self.process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        return self.process.returncode is not None

    def clean_up(self) -> None:
        """End the supervisor, come what may."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            if not self.wait(20):
                self.kill()

    def output(self) -> str:
        """Return the end of what it has said."""
        path = self.directory / "output"
        return path.read_text(errors="replace")[-2000:] if path.exists() else ""


def end(pids: set[int], seconds: float = 5.0) -> None:
    """Kill the processes that a benchmark has started and that are still there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + seconds
    while any(os.path.exists(f"/proc/{pid}") for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.01)
