"""What every queue that is measured has to offer: a worker, a process that asks, and a table to look at."""

import contextlib
import os
import select
import signal
import sqlite3
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

import psycopg

from tests.benchmarks.beacons import CannotMeasure
from tests.benchmarks.operation_peers.noop import STARTS
from tests.benchmarks.operation_peers.starts import Starts
from tests.benchmarks.peers.medimgr_here import ROOT

_ANSWER_SECONDS = 300.0


class QueuePeer(ABC):
    """One queue on a database of its own, its files in ``directory``."""

    title: str
    engines: tuple[str, ...] = ("SQLite", "PostgreSQL")
    unfinished: str
    """The query that counts what has not ended."""
    works_alike = False
    """Whether with much to do it is the same as the one before it: no throughput of its own."""

    def __init__(self, directory: Path, database_url: str = "") -> None:
        """Use ``directory``, which exists and is empty; SQLite in it where there is no URL."""
        self.directory = directory
        self.database_url = database_url or f"sqlite:///{directory / 'queue.sqlite3'}"
        self.starts = Starts(directory / "starts")
        self._processes: list[subprocess.Popen[bytes]] = []

    @abstractmethod
    def version(self) -> str:
        """Return which version is measured, installed where it can be. Raises CannotMeasure otherwise."""

    @abstractmethod
    def prepare(self) -> None:
        """Make the tables. Raises CannotMeasure."""

    @abstractmethod
    def worker(self) -> list[str]:
        """Return the command of the one executor."""

    @abstractmethod
    def asker(self) -> list[str]:
        """Return the command that asks, see :mod:`tests.benchmarks.operation_peers.asking`."""

    def environment(self) -> Mapping[str, str]:
        """Return the environment of both."""
        return os.environ | {STARTS: str(self.starts.path), "BENCH_DATABASE": self.database_url}

    # --- running -----------------------------------------------------------------------------------
    def start(
        self,
        command: list[str],
        *,
        speaks: bool = False,
        inherits: tuple[int, ...] = (),
        variables: Mapping[str, str] | None = None,
    ) -> "subprocess.Popen[bytes]":
        """Start a process of the peer's; with ``speaks``, its input and output are pipes."""
        with (self.directory / "output").open("ab") as output:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**self.environment(), **(variables or {})},
                stdin=subprocess.PIPE if speaks else subprocess.DEVNULL,
                stdout=subprocess.PIPE if speaks else output,
                stderr=output,
                bufsize=0,
                start_new_session=True,
                pass_fds=inherits,
            )
        self._processes.append(process)
        return process

    def run(self, command: list[str]) -> str:
        """Run a command to its end; return its output. Raises CannotMeasure."""
        done = subprocess.run(
            command, cwd=ROOT, env=dict(self.environment()), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise CannotMeasure(f"{' '.join(command[1:3])} failed: {done.stderr.strip()[-500:]}")
        return done.stdout

    def close(self) -> None:
        """End every process that was started, come what may."""
        for process in self._processes:
            if process.poll() is None:
                process.terminate()
        for process in self._processes:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(BrokenPipeError):
                        pipe.close()

    def output(self) -> str:
        """Return the end of what its processes have said."""
        path = self.directory / "output"
        return path.read_text(errors="replace")[-2000:] if path.exists() else ""

    # --- looking -----------------------------------------------------------------------------------
    def value(self, query: str) -> int:
        """Return the one number that a query gives."""
        if self.database_url.startswith("sqlite"):
            path = self.database_url.removeprefix("sqlite:///")
            with contextlib.closing(sqlite3.connect(path, timeout=20)) as opened:
                return int(opened.execute(query).fetchone()[0])
        with psycopg.connect(self.database_url) as asking:
            row = asking.execute(query.encode()).fetchone()
            return int(row[0]) if row else 0

    def idle(self) -> bool:
        """Return whether nothing waits or runs."""
        return self.value(self.unfinished) == 0


class Asker:
    """A running process that asks; use it as a context."""

    def __init__(self, peer: QueuePeer) -> None:
        """Start it and wait until it can ask."""
        self._peer = peer
        self._process = peer.start(peer.asker(), speaks=True)
        self._line()

    def __enter__(self) -> "Asker":
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)

    def one(self) -> tuple[str, int]:
        """Ask for one operation; return its key and the time from before, in nanoseconds."""
        key, began = self._ordered("one").split()
        return key, int(began)

    def many(self, count: int) -> None:
        """Have ``count`` operations waiting, whichever way is quickest."""
        self._ordered(f"many {count}")

    def each(self, count: int) -> None:
        """Ask for ``count`` operations, one after the other."""
        self._ordered(f"each {count}")

    def _ordered(self, order: str) -> str:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{order}\n".encode())
        except BrokenPipeError:
            raise CannotMeasure(f"{self._peer.title}: nobody asks any more. {self._peer.output()}") from None
        return self._line()

    def _line(self) -> str:
        pipe = self._process.stdout
        assert pipe is not None
        if not select.select([pipe], [], [], _ANSWER_SECONDS)[0]:
            raise CannotMeasure(f"{self._peer.title}: no answer in {_ANSWER_SECONDS:g} s.")
        line = pipe.readline().decode().strip()
        if not line:
            raise CannotMeasure(f"{self._peer.title}: nobody asks any more. {self._peer.output()}")
        return line
