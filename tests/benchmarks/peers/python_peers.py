"""The environment into which the peers from PyPI are installed, apart from medimgr's own."""

import subprocess
import sys
from functools import cache
from pathlib import Path

from tests.benchmarks.beacons import CannotMeasure
from tests.benchmarks.peers.medimgr_here import ROOT

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
_ENVIRONMENT = ROOT / "var" / "bench" / "peers"


@cache
def python_peer(program: str) -> str:
    """Return the path of an installed peer's program. Raises CannotMeasure where it cannot be had."""
    done = _ENVIRONMENT / "installed"
    if not done.exists() or done.read_text() != REQUIREMENTS.read_text():
        for command in (
            [sys.executable, "-m", "venv", str(_ENVIRONMENT)],
            [str(_ENVIRONMENT / "bin" / "pip"), "install", "--quiet", "-r", str(REQUIREMENTS)],
        ):
            made = subprocess.run(command, capture_output=True, text=True, check=False)
            if made.returncode:
                raise CannotMeasure(f"The peers cannot be installed: {made.stderr.strip()[-500:]}")
        done.write_text(REQUIREMENTS.read_text())
    path = _ENVIRONMENT / "bin" / program
    if not path.exists():
        raise CannotMeasure(f"There is no {program} among the peers.")
    return str(path)
