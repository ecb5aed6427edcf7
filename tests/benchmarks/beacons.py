"""Builds the benchmarks' service and reads what its copies have said."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("beacon.c")
_POLL_SECONDS = 0.002


class CannotMeasure(Exception):
    """A benchmark cannot run here; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Said:
    """One line of a beacon. ``at`` is CLOCK_MONOTONIC in nanoseconds."""

    name: str
    pid: int
    at: int
    word: str


def build(directory: Path) -> Path:
    """Compile the service into ``directory`` and return its path. Raises CannotMeasure."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise CannotMeasure("The benchmarks run a C program: install a compiler (apt-get install gcc).")
    target = directory / "beacon"
    # Static where that can be, so that the loader's work is in no figure.
    for options in (["-O2", "-static"], ["-O2"]):
        built = subprocess.run(
            [compiler, *options, "-o", str(target), str(SOURCE)], capture_output=True, text=True, check=False
        )
        if built.returncode == 0:
            return target
    raise CannotMeasure(f"{SOURCE.name} cannot be compiled: {built.stderr.strip()}")


class Beacons:
    """The lines of one file, read as they come."""

    def __init__(self, path: Path) -> None:
        """Begin with an empty file."""
        self.path = path
        path.write_bytes(b"")
        self._offset = 0
        self._rest = b""
        self.said: list[Said] = []
        self.pid: dict[str, int] = {}
        """Name → pid of the copy that was started last."""
        self.started: dict[str, int] = {}
        """Name → how many copies have said that they are up."""

    def read(self) -> list[Said]:
        """Return the lines that have come since the last call."""
        with self.path.open("rb") as file:
            file.seek(self._offset)
            data = self._rest + file.read()
            self._offset = file.tell()
        *lines, self._rest = data.split(b"\n")
        fresh = []
        for line in lines:
            name, pid, at, word = line.decode().split()
            one = Said(name, int(pid), int(at), word)
            fresh.append(one)
            if word == "up":
                self.pid[name] = one.pid
                self.started[name] = self.started.get(name, 0) + 1
        self.said += fresh
        return fresh

    def wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Read until ``condition`` holds; return whether it did within ``seconds``."""
        end = time.monotonic() + seconds
        while True:
            self.read()
            if condition():
                return True
            if time.monotonic() > end:
                return False
            time.sleep(_POLL_SECONDS)

    def all_up(self, names: list[str], seconds: float) -> bool:
        """Wait until each of ``names`` has been up once."""
        return self.wait(lambda: len(self.started) >= len(names), seconds)

    def last(self, word: str) -> int:
        """Return when the last line with ``word`` was said, in nanoseconds."""
        return max(one.at for one in self.said if one.word == word)

    def alive(self) -> int:
        """Return how many of the copies that were started last still run."""
        return sum(os.path.exists(f"/proc/{pid}") for pid in self.pid.values())

    def doubled(self) -> int:
        """Return how many copies run beside the one that was started last under their name."""
        pids = {one.pid for one in self.said if one.word == "up"} - set(self.pid.values())
        return sum(os.path.exists(f"/proc/{pid}") for pid in pids)
