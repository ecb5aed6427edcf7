"""Asks the public databases for known holes in what is pinned: ``python -m tests.security.known_holes``.

pip-audit does the asking. It ends with 0 where it could ask nobody, too, so what it says is read here: a hole
that has a mend fails, what has none yet is told, and where no database can be reached, that is said.
"""

import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
PINNED = ("requirements.txt", "requirements-dev.txt")
SERVICES = ("osv", "pypi")
SECONDS = 300


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a database said."""

    asked: int
    """Of how many packages it knew something."""
    mendable: tuple[str, ...] = ()
    unmended: tuple[str, ...] = ()


def verdict(report: dict[str, Any]) -> Verdict:
    """Return what is in pip-audit's JSON report. Pure."""
    packages = [package for package in report["dependencies"] if "skip_reason" not in package]
    holes = [
        (hole["fix_versions"], f"{package['name']} {package['version']}: {hole['id']}, {_mend(hole)}")
        for package in packages
        for hole in package["vulns"]
    ]
    return Verdict(
        asked=len(packages),
        mendable=tuple(words for versions, words in holes if versions),
        unmended=tuple(words for versions, words in holes if not versions),
    )


def _mend(hole: dict[str, Any]) -> str:
    versions = ", ".join(hole["fix_versions"])
    return f"mended in {versions}" if versions else "no mend is out yet"


def asked(service: str) -> Verdict | None:
    """Return what ``service`` says of all that is pinned, None where it cannot be asked."""
    command = [sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip", "--progress-spinner=off"]
    command += ["--format=json", f"--vulnerability-service={service}"]
    command += [part for name in PINNED for part in ("--requirement", str(ROOT / name))]
    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
        found = verdict(json.loads(done.stdout))
    except (subprocess.TimeoutExpired, ValueError, KeyError):  # it has failed before it could report
        return None
    return found if found.asked else None


def told(found: Verdict | None) -> tuple[list[str], int]:
    """Return what is to be said of a verdict, and the exit code: 1 where something can be mended. Pure."""
    if found is None:
        return ["No database of known holes can be asked from here, so nothing was looked up."], 0
    lines = [f"{found.asked} pinned packages were looked up."]
    lines += [f"KNOWN HOLE: {words}" for words in (*found.mendable, *found.unmended)]
    return lines, 1 if found.mendable else 0


def main(services: Iterable[str] = SERVICES) -> int:
    """Ask one after the other until one answers; print what it says and return the exit code."""
    lines, code = told(next((found for found in map(asked, services) if found is not None), None))
    print(*lines, sep="\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
