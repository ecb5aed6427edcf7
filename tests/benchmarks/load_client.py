"""The load client (``stream_load.c``) as an object: opens streams and says what they received."""

import json
import os
import select
import shutil
import subprocess
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.beacons import CannotMeasure

SOURCE = Path(__file__).with_name("stream_load.c")
_ANSWER_SECONDS = 30.0


def build_load_client(directory: Path) -> Path:
    """Compile the load client into ``directory`` and return its path. Raises CannotMeasure."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise CannotMeasure("The load client is a C program: install a compiler (apt-get install gcc).")
    target = directory / "stream_load"
    built = subprocess.run(
        [compiler, "-O2", "-o", str(target), str(SOURCE), "-lz"], capture_output=True, text=True, check=False
    )
    if built.returncode:
        raise CannotMeasure(
            "The load client cannot be compiled; it needs zlib's header (apt-get install zlib1g-dev).\n"
            + built.stderr.strip()[-500:]
        )
    return target


@dataclass(frozen=True, slots=True)
class Opened:
    """How the streams came up. Times are from the beginning of each connect."""

    opened: int
    refused: int
    failed: int
    waiting: int
    """Neither one nor the other when the deadline was over."""
    seconds: float
    """From the first connect to the last stream's first byte."""
    statuses: dict[str, int]
    """HTTP status → how often it was the answer."""
    first_byte_ms: list[float]
    """Smallest, median, 99th percentile, largest; so are all lists of four."""


@dataclass(frozen=True, slots=True)
class Window:
    """What was received since the last reset."""

    deliveries: int
    """Messages that count, over all streams."""
    bytes: int
    """On the wire, HTTP's framing included."""
    body_bytes: int
    """After decompression, without framing."""
    lost: int
    doubled: int
    behind: int
    """Streams that have not had the newest message."""
    open: int
    gone: int
    """Streams that ended since the beginning."""
    latency_ms: list[float]


@dataclass(frozen=True, slots=True)
class Load:
    """Which streams to open, as the options of ``stream_load.c`` say."""

    port: int
    path: str
    connections: int
    cpu: int | None = None
    cookies: Path | None = None
    paced: int = 0
    """So many in the making at a time; 0: all at once."""
    gzip: bool = False
    stuck: bool = False
    next_number: int = 1
    """The first message that will count."""
    deadline: float = 60.0

    def options(self) -> list[str]:
        """Return the command line's options."""
        found = ["--port", str(self.port), "--path", self.path, "--connections", str(self.connections)]
        found += ["--paced", str(self.paced), "--next", str(self.next_number)]
        found += ["--deadline", str(self.deadline)]
        for name, value in (("--cpu", self.cpu), ("--cookies", self.cookies)):
            found += [name, str(value)] if value is not None else []
        return found + [f"--{flag}" for flag in ("gzip", "stuck") if getattr(self, flag)]


class LoadClient:
    """One running load client; use it as a context, so that none stays."""

    def __init__(self, program: Path, load: Load) -> None:
        """Start it: the streams begin to open at once."""
        self._deadline = load.deadline
        self._process = subprocess.Popen(
            [str(program), *load.options()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        self._rest = b""
        self._said: deque[dict[str, Any]] = deque()

    def __enter__(self) -> "LoadClient":
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def opened(self) -> Opened:
        """Wait until every stream is open or refused, or the deadline over."""
        found = self._next("opened", self._deadline + 5)
        return Opened(**{name: found[name] for name in Opened.__slots__})

    def completed(self, seconds: float) -> tuple[int, int] | None:
        """Return the next message that has reached all streams and when (ns); None after ``seconds``."""
        found = self._find("complete", seconds)
        return (found["complete"], found["at"]) if found else None

    def reset(self) -> None:
        """Begin a window."""
        self._tell("reset")

    def acknowledge_at_once(self, wanted: bool) -> None:
        """Acknowledge each read at once, or as the kernel sees fit (the default)."""
        self._tell(f"quickack {wanted:d}")

    def window(self) -> Window:
        """Return what was received since the last reset."""
        self._tell("report")
        found = self._next("window", _ANSWER_SECONDS)
        return Window(**{name: found[name] for name in Window.__slots__})

    def close_some(self, count: int, how: str, apart_ms: int) -> list[int]:
        """Close ``count`` streams by ``fin`` or ``rst``; return when each went (CLOCK_MONOTONIC, ns)."""
        self._tell(f"close {count} {how} {apart_ms}")
        return [self._next("closed", _ANSWER_SECONDS)["at"] for _ in range(count)]

    def _tell(self, command: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(command.encode() + b"\n")

    def _next(self, word: str, seconds: float) -> dict[str, Any]:
        found = self._find(word, seconds)
        if found is None:
            raise CannotMeasure(f"The load client did not say “{word}” within {seconds:g} s.")
        return found

    def _find(self, word: str, seconds: float) -> dict[str, Any] | None:
        """Return the next line with ``word``, leaving the others for who asks for them."""
        end = time.monotonic() + seconds
        seen = 0
        while True:
            while seen < len(self._said):
                if word in self._said[seen]:
                    found = self._said[seen]
                    del self._said[seen]
                    return found
                seen += 1
            if not self._read(end - time.monotonic()):
                return None

    def _read(self, seconds: float) -> bool:
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], max(0.0, seconds))[0]:
            return False
        data = os.read(self._process.stdout.fileno(), 65536)
        if not data:
            raise CannotMeasure(f"The load client has ended with {self._process.wait()}.")
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._said += [json.loads(line) for line in lines]
        return True
