"""The environments into which the peers from PyPI are installed, apart from medimgr's own."""

import subprocess
import sys
from functools import cache
from pathlib import Path

from tests.benchmarks.beacons import CannotMeasure
from tests.benchmarks.peers.medimgr_here import ROOT

_ENVIRONMENTS = ROOT / "var" / "bench"


def python_peer(program: str) -> str:
    """Return the path of an installed supervisor's program. Raises CannotMeasure where it cannot be had."""
    path = environment("peers", Path(__file__).with_name("requirements.txt")) / program
    if not path.exists():
        raise CannotMeasure(f"There is no {program} among the peers.")
    return str(path)


@cache
def environment(name: str, requirements: Path) -> Path:
    """Install ``requirements`` into an environment called ``name``; return where its programs are.

    Installed again only where the requirements have changed. Raises CannotMeasure where it cannot be had.
    """
    directory = _ENVIRONMENTS / name
    done = directory / "installed"
    if not done.exists() or done.read_text() != requirements.read_text():
        for command in (
            [sys.executable, "-m", "venv", str(directory)],
            [str(directory / "bin" / "pip"), "install", "--quiet", "-r", str(requirements)],
        ):
            made = subprocess.run(command, capture_output=True, text=True, check=False)
            if made.returncode:
                raise CannotMeasure(f"{name} cannot be installed: {made.stderr.strip()[-500:]}")
        done.write_text(requirements.read_text())
    return directory / "bin"
