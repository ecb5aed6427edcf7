"""PM2, from npm, where node is present."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.benchmarks.beacons import CannotMeasure
from tests.benchmarks.peers.medimgr_here import ROOT
from tests.benchmarks.peers.peer import Peer

VERSION = "7.0.4"
_DIRECTORY = ROOT / "var" / "bench" / "pm2"


class Pm2(Peer):
    """Fork mode, no interpreter, no logs, no backoff."""

    title = "pm2"

    def version(self) -> str:
        """Return its version, installing it first. Raises CannotMeasure without node and npm."""
        npm = shutil.which("npm")
        if npm is None or shutil.which("node") is None:
            raise CannotMeasure("pm2 needs node and npm (apt-get install nodejs npm).")
        if not (_DIRECTORY / "node_modules" / "pm2" / "package.json").exists():
            _DIRECTORY.mkdir(parents=True, exist_ok=True)
            command = [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(_DIRECTORY)]
            made = subprocess.run([*command, f"pm2@{VERSION}"], capture_output=True, text=True, check=False)
            if made.returncode:
                raise CannotMeasure(f"pm2 cannot be installed: {made.stderr.strip()[-300:]}")
        return VERSION

    def environment(self) -> Mapping[str, str]:
        """Return an environment in which its daemon lives in the peer's directory."""
        return {**os.environ, "PM2_HOME": str(self.directory / "home"), "PM2_DISCRETE_MODE": "true"}

    def declare(self, names: Sequence[str], beacon: Path, lines: Path) -> None:
        """Write its ecosystem file."""
        apps = [
            {
                "name": name,
                "script": str(beacon),
                "args": [name, str(lines)],
                "interpreter": "none",
                "min_uptime": 0,
                "max_restarts": 1_000_000,
                "out_file": "/dev/null",
                "error_file": "/dev/null",
            }
            for name in names
        ]
        (self.directory / "ecosystem.json").write_text(json.dumps({"apps": apps}))

    def command(self) -> list[str]:
        """Return the command that hands the file to its daemon."""
        return [self._program(), "start", str(self.directory / "ecosystem.json"), "--silent"]

    def own_pids(self) -> list[int]:
        """Return its daemon."""
        return [int((self.directory / "home" / "pm2.pid").read_text())]

    def stop(self) -> None:
        """Ask the daemon to end."""
        with (self.directory / "output").open("ab") as output:
            self.process = subprocess.Popen(
                [self._program(), "kill", "--silent"],
                env=dict(self.environment()),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def kill(self) -> None:
        """Kill the daemon alone."""
        os.kill(self.own_pids()[0], 9)

    def clean_up(self) -> None:
        """End the daemon."""
        subprocess.run(
            [self._program(), "kill", "--silent"],
            env=dict(self.environment()),
            capture_output=True,
            check=False,
        )

    def _program(self) -> str:
        return str(_DIRECTORY / "node_modules" / ".bin" / "pm2")
