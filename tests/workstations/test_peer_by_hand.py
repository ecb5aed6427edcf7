"""Somebody without Windows runs a fleet, declares it as he is told, and plays with its faults."""

import contextlib
import signal
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import Instance, RunningProcess, accepts_connections, clean_environment, wait_for
from workstations.models import Workstation


@contextlib.contextmanager
def started(directory: Path, *options: str) -> Iterator[RunningProcess]:
    """Yield a fleet that was started with these options; kill it at the end."""
    command = [
        sys.executable,
        "-m",
        "tests.workstations.peer",
        "--password-file",
        str(directory / "password"),
    ]
    process = RunningProcess("fleet", [*command, *options], clean_environment(), directory / "fleet.log")
    try:
        yield process
    finally:
        process.kill()


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[RunningProcess]:
    options = ["--machines", "2", "--port", "0", "--life", "--declare", str(tmp_path / "fleet.toml")]
    with started(tmp_path, *options, "--control", str(tmp_path / "control.toml")) as process:
        wait_for(lambda: "Ctrl+C" in process.output(), 20, "the fleet runs", process.output)
        yield process


def first_port(directory: Path) -> int:
    """Return where the first workstation of the declared fleet listens."""
    declared = tomllib.loads((directory / "fleet.toml").read_text())
    return int(declared["workstations"]["pc-01"]["port"])


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
    assert accepts_connections(first_port(tmp_path))
    fleet.signal(signal.SIGINT)
    assert fleet.wait(10) == 0
    assert not accepts_connections(first_port(tmp_path))
    assert "Traceback" not in fleet.output()


def test_faults_are_set_in_a_file_while_it_runs(fleet: RunningProcess, tmp_path: Path) -> None:
    control, port = tmp_path / "control.toml", first_port(tmp_path)
    control.write_text('[pc-01]\nport = "closed"\nfaults.nonsense = 1\n[pc-09]\nport = "open"\n')
    wait_for(lambda: not accepts_connections(port), 10, "the port is closed", fleet.output)
    wait_for(lambda: "there is no nonsense" in fleet.output(), 10, "the bad name is told")
    wait_for(lambda: "pc-09: there is no such machine" in fleet.output(), 10, "so is the machine")
    control.write_text('[pc-01]\nport = "open"\nfaults.unavailable = 3\nquirks.columns = 7\n')
    wait_for(lambda: accepts_connections(port), 10, "the port is open", fleet.output)
    control.write_text("[pc-01\n")
    wait_for(lambda: f"{control}: " in fleet.output(), 10, "the bad file is told")


def test_a_port_in_use_is_told_in_one_line(fleet: RunningProcess, tmp_path: Path) -> None:
    second_directory = tmp_path / "second"
    second_directory.mkdir()
    with started(second_directory, "--port", str(first_port(tmp_path))) as second:
        assert second.wait(20) == 1
        assert "--port N" in second.output()
        assert "Traceback" not in second.output()
