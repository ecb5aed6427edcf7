"""Supervisor 4, from PyPI."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.peers.peer import Peer
from tests.benchmarks.peers.python_peers import python_peer


class Supervisord(Peer):
    """One [program] per service, ``startsecs=1``, no logs."""

    title = "supervisor"
    settle_seconds = 2.2  # overlapping crashes wake its loop early and flatter it
    samples = 15

    def version(self) -> str:
        """Return its version."""
        return subprocess.run(
            [python_peer("supervisord"), "--version"], capture_output=True, text=True, check=True
        ).stdout.strip()

    def declare(self, names: Sequence[str], beacon: Path, lines: Path) -> None:
        """Write its configuration."""
        parts = [
            "[supervisord]\nnodaemon=true\nminfds=20000\nlogfile=/dev/null\nlogfile_maxbytes=0\n"
            f"pidfile={self.directory}/supervisord.pid\n"
        ]
        parts += [
            f"[program:{name}]\ncommand={beacon} {name} {lines}\nautorestart=true\nstartsecs=1\n"
            "stdout_logfile=NONE\nstderr_logfile=NONE\n"
            for name in names
        ]
        (self.directory / "supervisord.conf").write_text("\n".join(parts))

    def command(self) -> list[str]:
        """Return the command that supervises."""
        return [python_peer("supervisord"), "-c", str(self.directory / "supervisord.conf")]
