"""Circus, from PyPI."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import psutil

from tests.benchmarks.peers.peer import Peer, end
from tests.benchmarks.peers.python_peers import python_peer
from tests.running import free_port


class Circus(Peer):
    """One watcher per service, ``warmup_delay`` 0, the other settings as they come; statistics off."""

    title = "circus"
    settle_seconds = 0.5
    samples = 12
    statistics = False

    def __init__(self, directory: Path) -> None:
        """Use ``directory``."""
        super().__init__(directory)
        self._seen: set[int] = set()

    def version(self) -> str:
        """Return its version."""
        return subprocess.run(
            [python_peer("circusd"), "--version"], capture_output=True, text=True, check=True
        ).stdout.strip()

    def declare(self, names: Sequence[str], beacon: Path, lines: Path) -> None:
        """Write its configuration."""
        parts = [
            "[circus]\nwarmup_delay = 0\nloglevel = ERROR\n"
            f"endpoint = tcp://127.0.0.1:{free_port()}\npubsub_endpoint = tcp://127.0.0.1:{free_port()}\n"
        ]
        if self.statistics:
            parts[0] += f"statsd = 1\nstats_endpoint = tcp://127.0.0.1:{free_port()}\n"
        parts += [f"[watcher:{name}]\ncmd = {beacon}\nargs = {name} {lines}\n" for name in names]
        (self.directory / "circus.ini").write_text("\n".join(parts))

    def command(self) -> list[str]:
        """Return the command that supervises."""
        return [python_peer("circusd"), str(self.directory / "circus.ini")]

    def clean_up(self) -> None:
        """End it, and its statistics process, which lives on where the arbiter was killed."""
        super().clean_up()
        end({pid for pid in self._seen if _is_circus(pid)})

    def own_pids(self) -> list[int]:
        """Return its arbiter and, where it runs, its statistics process."""
        root = super().own_pids()[0]
        found = [root, *(c.pid for c in psutil.Process(root).children() if _is_circus(c.pid))]
        self._seen.update(found)
        return found

    def kill(self) -> None:
        """Kill the arbiter alone."""
        self.own_pids()
        super().kill()


class CircusWithStatistics(Circus):
    """The same with its statistics, which is what sampling whole trees compares with."""

    title = "circus, stats on"
    statistics = True


def _is_circus(pid: int) -> bool:
    try:
        return "circus" in " ".join(psutil.Process(pid).cmdline())
    except psutil.Error:
        return False
