"""Real processes for tests, all of which are gone when the test is over, however it ends."""

import contextlib
import os
import signal
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monitoring.supervisor.identity import read_stat
from monitoring.supervisor.process import Exit, Process, kill_verified
from monitoring.supervisor.proctable import ProcTable, members
from monitoring.supervisor.spec import ServiceSpec
from tests.running import wait_for

PROGRAMS = Path(__file__).resolve().parent.parent / "programs"


class Spawner:
    """Starts services' programs and remembers them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.log = directory / "logs" / "it.log"
        self._processes: list[Process] = []

    def spec(self, *command: str, **fields: Any) -> ServiceSpec:
        return ServiceSpec(key="it", name="It", command=command, log_path=self.log, **fields)

    def spawn(self, *command: str, spawning: dict[str, Any] | None = None, **fields: Any) -> Process:
        """Start a command; ``fields`` are the declaration's, ``spawning`` goes to ``Process.spawn``."""
        process = Process.spawn(self.spec(*command, **fields), uuid.uuid4().hex, **spawning or {})
        self._processes.append(process)
        return process

    def program(self, name: str, *arguments: str, **fields: Any) -> Process:
        """Start one of the small programs beside these tests."""
        return self.spawn(sys.executable, "-I", "-S", str(PROGRAMS / name), *arguments, **fields)

    def shell(self, script: str, **fields: Any) -> Process:
        return self.spawn("/bin/sh", "-c", script, **fields)

    def text(self) -> str:
        return self.log.read_text(encoding="utf-8") if self.log.exists() else ""

    def wait_for_line(self, line: str) -> str:
        """Wait until the log has ``line`` and return the whole log."""
        return wait_for(lambda: self.text() if line in self.text() else "", 10, f"{line!r} in the log")

    def pids(self, count: int) -> list[int]:
        """Wait for ``count`` lines with a pid each in the log and return those."""
        wait_for(lambda: self.text().count("\n") >= count, 10, f"{count} pids in the log")
        return [int(line.split()[-1]) for line in self.text().splitlines()[:count]]

    def close(self) -> None:
        for process in self._processes:
            table = ProcTable.read()
            for pid in members(table, process.identity):
                kill_verified(pid, table[pid].start_ticks)
            if process.pidfd >= 0:
                process.kill_group()
                wait_for(process.poll_exit, 5, "a test's process ends")
                process.reap()
                process.close()


@pytest.fixture
def spawner(tmp_path: Path) -> Iterator[Spawner]:
    before = set(os.listdir("/proc/self/fd"))
    spawner = Spawner(tmp_path)
    yield spawner
    spawner.close()
    left = set(os.listdir("/proc/self/fd")) - before
    assert not [name for name in left if os.path.exists(f"/proc/self/fd/{name}")], "open files were left"


def exit_of(process: Process) -> Exit:
    """Wait until ``process`` has ended and return how."""
    found = wait_for(process.poll_exit, 10, f"process {process.identity.pid} ends")
    assert found is not None
    return found


def gone(pid: int) -> bool:
    """Return whether ``pid`` has ended; a zombie has."""
    entry = read_stat(pid)
    return entry is None or not entry.alive


def end(pid: int) -> None:
    """Kill one process that the test knows by its pid; it may be gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@pytest.fixture(params=["disk", "memory"])
def disk_or_memory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A directory on a file system that collapses (where the tests' is one), and one that punches holes."""
    if request.param == "disk":
        yield tmp_path
        return
    place = Path("/dev/shm", f"medimgr-test-{os.getpid()}-{time.monotonic_ns()}")
    place.mkdir()
    yield place
    for file in place.iterdir():
        file.unlink()
    place.rmdir()
