"""The systemd units: what systemd itself says of them, and what they promise."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deployment.units import INSTALLED, UNITS, command, one, read

NAMES = sorted(path.name for path in UNITS.iterdir())
SUPERVISORS = ["medimgr.service", "medimgr-supervisor.service"]
ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze: apt-get install systemd")
MOST_EXPOSED = {"medimgr.service": 6.5, "medimgr-supervisor.service": 6.5}
"""Services live with what their supervisor is forbidden, so that is little. Of the others, 3 at most."""


def installed(directory: Path) -> list[str]:
    """Write the units as for a machine on which everything is where they say; return their names."""
    python = directory / "python"
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    for name in NAMES:
        text = (
            (UNITS / name).read_text(encoding="utf-8").replace(f"{INSTALLED}/.venv/bin/python", str(python))
        )
        text = text.replace(f"WorkingDirectory={INSTALLED}", "WorkingDirectory=/tmp")
        (directory / name.replace("@.", "@1.")).write_text(text, encoding="utf-8")
        (directory / name).write_text(text, encoding="utf-8")
    return [name.replace("@.", "@1.") for name in NAMES]


@needs_systemd
def test_systemd_finds_no_fault_in_them(tmp_path: Path) -> None:
    names = installed(tmp_path)
    done = subprocess.run(
        [str(ANALYZE), "verify", "--man=no", *(f"./{name}" for name in names)],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    own = [line for line in done.stderr.splitlines() if "medimgr" in line]
    assert (done.returncode, own) == (0, [])


@needs_systemd
def test_systemd_finds_a_fault_where_there_is_one(tmp_path: Path) -> None:
    installed(tmp_path)
    broken = tmp_path / "medimgr.service"
    broken.write_text(broken.read_text().replace("KillMode=process", "KillMode=proces\nNoSuchThing=yes"))
    done = subprocess.run(
        [str(ANALYZE), "verify", "--man=no", "./medimgr.service"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "NoSuchThing" in done.stderr


@needs_systemd
@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith(".service")])
def test_they_are_as_shut_as_they_can_be(name: str, tmp_path: Path) -> None:
    installed(tmp_path)
    limit = MOST_EXPOSED.get(name, 3.0)
    done = subprocess.run(
        [str(ANALYZE), "security", "--offline=true", f"--threshold={limit * 10:.0f}",
         f"./{name.replace('@.', '@1.')}"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-300:]


@pytest.mark.parametrize("name", SUPERVISORS)
def test_whatever_ends_a_supervisor_leaves_its_services(name: str) -> None:
    assert one(name, "Service", "KillMode") == "process"
    assert one(name, "Service", "OOMPolicy") == "continue"
    assert one(name, "Service", "TasksMax") == "infinity"
    assert "--leave-running" in command(name)
    # Each of these would be the services' too.
    forbidden = {
        "PrivateTmp",
        "ProtectSystem",
        "ProtectHome",
        "SystemCallFilter",
        "MemoryMax",
        "RuntimeMaxSec",
    }
    assert forbidden.isdisjoint(read(name)["Service"])


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith(".service")])
def test_none_runs_as_root_or_holds_a_secret(name: str) -> None:
    assert one(name, "Service", "User") == "medimgr"
    assert one(name, "Service", "NoNewPrivileges") == "yes"
    assert "Environment" not in read(name)["Service"]


def test_the_one_for_everything_and_those_for_parts_exclude_each_other() -> None:
    for name in NAMES:
        if name.endswith(".service") and name != "medimgr.service":
            assert one(name, "Unit", "Conflicts") == "medimgr.service"
