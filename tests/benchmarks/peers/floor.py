"""The least that a supervisor in this Python can do: Popen, a pidfd each, nothing else."""

import platform
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.peers.peer import Peer


class Floor(Peer):
    """No state, no logs, no sampling, no database: a bound, not a design."""

    title = "floor (Popen + pidfd)"

    def version(self) -> str:
        """Return the version of Python."""
        return platform.python_version()

    def declare(self, names: Sequence[str], beacon: Path, lines: Path) -> None:
        """Write the commands down."""
        (self.directory / "commands").write_text("".join(f"{beacon}\t{name}\t{lines}\n" for name in names))

    def command(self) -> list[str]:
        """Return the command that supervises."""
        program = Path(__file__).with_name("floor_supervisor.py")
        return [sys.executable, str(program), str(self.directory / "commands")]
