"""runit, where the system has it (apt-get install runit)."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import psutil

from tests.benchmarks.beacons import CannotMeasure
from tests.benchmarks.peers.peer import Peer


class Runit(Peer):
    """``runsvdir`` over one directory per service, no logger."""

    title = "runit"

    def __init__(self, directory: Path) -> None:
        """Use ``directory``."""
        super().__init__(directory)
        self._seen: set[psutil.Process] = set()

    def version(self) -> str:
        """Return that it is there. Raises CannotMeasure where it is not."""
        if shutil.which("runsvdir") is None:
            raise CannotMeasure("runit is not installed (apt-get install runit).")
        return "2.1"

    def declare(self, names: Sequence[str], beacon: Path, lines: Path) -> None:
        """Write one run script per service."""
        for name in names:
            service = self.directory / "services" / name
            service.mkdir(parents=True)
            run = service / "run"
            run.write_text(f"#!/bin/sh\nexec {beacon} {name} {lines}\n")
            run.chmod(0o755)

    def command(self) -> list[str]:
        """Return the command that supervises."""
        return ["runsvdir", "-P", str(self.directory / "services")]

    def own_pids(self) -> list[int]:
        """Return runsvdir and one runsv per service."""
        root = psutil.Process(super().own_pids()[0])
        below = [child for child in root.children() if child.name() == "runsv"]
        self._seen.update(below)
        return [root.pid, *(child.pid for child in below)]

    def kill(self) -> None:
        """Kill runsvdir alone."""
        self.own_pids()
        super().kill()

    def stop(self) -> None:
        """Ask it to end all runsv processes (SIGHUP)."""
        import signal

        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)

    def clean_up(self) -> None:
        """End it in the way that takes its services along."""
        if self.process is not None and self.process.poll() is None:
            self.stop()
            if not self.wait(20):
                self.kill()
        # Those that live on after a kill: ended with SIGTERM they end their services, too.
        left = [process for process in self._seen if process.is_running()]
        for process in left:
            process.terminate()
        psutil.wait_procs(left, timeout=10)
