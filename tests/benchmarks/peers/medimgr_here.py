"""This checkout of medimgr."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.benchmarks.beacons import CannotMeasure
from tests.benchmarks.peers.peer import Peer

ROOT = Path(__file__).resolve().parents[3]


class Medimgr(Peer):
    """``manage.py supervise`` with a database of its own, sampling and publishing included."""

    title = "medimgr"
    database_url = ""
    """SQLite in the peer's directory where empty."""

    def version(self) -> str:
        """Return the commit that is measured."""
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
        )
        return found.stdout.strip() or "?"

    def environment(self) -> Mapping[str, str]:
        """Return the settings of an installation in the peer's directory."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("MEDIMGR_", "DJANGO_", "DATABASE_"))
        }
        return kept | {
            "DJANGO_SETTINGS_MODULE": "medimgr.settings",
            "DJANGO_SECRET_KEY": "only-for-the-benchmarks-of-this-machine-0123456789",
            "DATABASE_URL": self.database_url or f"sqlite:///{self.directory / 'medimgr.sqlite3'}",
            "MEDIMGR_DATA_DIR": str(self.directory / "data"),
            "MEDIMGR_NODE": "bench",
        }

    def declare(self, names: Sequence[str], beacon: Path, lines: Path) -> None:
        """Migrate the database and declare the services in it."""
        self._run([sys.executable, str(ROOT / "manage.py"), "migrate", "--verbosity", "0"])
        self._run(
            [sys.executable, "-m", "tests.benchmarks.peers.declare_beacons", str(beacon), str(lines), *names]
        )

    def quick_to_retry(self) -> None:
        """Let services that fail be started again at once, for ever."""
        self._run(
            [
                sys.executable,
                str(ROOT / "manage.py"),
                "shell",
                "--command",
                "from monitoring.models import Service; Service.objects.update(backoff_base_seconds=0)",
            ]
        )

    def command(self) -> list[str]:
        """Return the command that supervises."""
        return [sys.executable, str(ROOT / "manage.py"), "supervise"]

    def _run(self, command: list[str]) -> None:
        done = subprocess.run(
            command, cwd=ROOT, env=dict(self.environment()), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise CannotMeasure(f"{' '.join(command[1:3])} failed: {done.stderr.strip()[-500:]}")
