"""Somebody without Windows runs a fleet, declares it as he is told, and plays with its faults."""

import signal
import sys
from pathlib import Path

import pytest

from tests.running import Instance, RunningProcess, accepts_connections
from workstations.models import Workstation


@pytest.fixture
def fleet(instance: Instance, tmp_path: Path) -> RunningProcess:
    command = [
        sys.executable, "-m", "tests.workstations.peer", "--machines", "2", "--port", "0", "--life",
        "--declare", str(tmp_path / "fleet.toml"), "--password-file", str(tmp_path / "password"),
        "--control", str(tmp_path / "control.toml"),
    ]  # fmt: skip
    process = instance.start_command(command, name="fleet")
    instance.wait_for(lambda: "Ctrl+C" in process.output(), 20, "the fleet runs")
    return process


def test_the_fleet_is_declared_as_it_says_and_ends_when_interrupted(
    instance: Instance, fleet: RunningProcess, tmp_path: Path
) -> None:
    said = fleet.output()
    assert f"python manage.py workstations import {tmp_path / 'fleet.toml'}" in said
    assert f"--tag simulated < {tmp_path / 'password'}" in said
    assert (tmp_path / "password").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "password").read_text().strip() not in said
    done = instance.manage("workstations", "import", str(tmp_path / "fleet.toml"))
    assert done.returncode == 0, done.stderr
    with instance.database():
        assert [one.name for one in Workstation.objects.all()] == ["pc-01", "pc-02"]
        port = Workstation.objects.get(name="pc-01").port
    assert accepts_connections(port)
    fleet.signal(signal.SIGINT)
    assert fleet.wait(10) == 0
    assert not accepts_connections(port)
    assert "Traceback" not in fleet.output()


def test_faults_are_set_in_a_file_while_it_runs(
    instance: Instance, fleet: RunningProcess, tmp_path: Path
) -> None:
    control = tmp_path / "control.toml"
    done = instance.manage("workstations", "import", str(tmp_path / "fleet.toml"))
    assert done.returncode == 0, done.stderr
    with instance.database():
        port = Workstation.objects.get(name="pc-01").port
    control.write_text('[pc-01]\nport = "closed"\nfaults.nonsense = 1\n[pc-09]\nport = "open"\n')
    instance.wait_for(lambda: not accepts_connections(port), 10, "the port is closed")
    instance.wait_for(lambda: "there is no nonsense" in fleet.output(), 10, "the bad name is told")
    instance.wait_for(lambda: "pc-09: there is no such machine" in fleet.output(), 10, "so is the machine")
    control.write_text('[pc-01]\nport = "open"\nfaults.unavailable = 3\nquirks.columns = 7\n')
    instance.wait_for(lambda: accepts_connections(port), 10, "the port is open")
    control.write_text("[pc-01\n")
    instance.wait_for(lambda: f"{control}: " in fleet.output(), 10, "the bad file is told")


def test_a_port_in_use_is_told_in_one_line(instance: Instance, fleet: RunningProcess, tmp_path: Path) -> None:
    instance.manage("workstations", "import", str(tmp_path / "fleet.toml"))
    with instance.database():
        port = Workstation.objects.get(name="pc-01").port
    command = [sys.executable, "-m", "tests.workstations.peer", "--port", str(port)]
    second = instance.start_command([*command, "--password-file", str(tmp_path / "password")], name="second")
    assert second.wait(20) == 1
    assert "--port N" in second.output()
    assert "Traceback" not in second.output()
