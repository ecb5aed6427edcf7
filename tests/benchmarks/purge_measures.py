"""What a purge of very many operations costs: time, its longest transaction, memory, the others' latency."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.beacons import CannotMeasure
from tests.benchmarks.operation_peers import transaction_times
from tests.benchmarks.operation_peers.medimgr_here import MANAGE, MedimgrOnTheWeb
from tests.benchmarks.post_latency import Poster
from tests.benchmarks.queue_measures import prepared
from tests.benchmarks.table import percentile

_LOOK_SECONDS = 0.02
_LONG_SECONDS = 1800.0
_MOST = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Purged:
    """What was found."""

    seconds: float
    transactions: int
    longest_ms: float
    """The longest transaction of the purge, by its own clock."""
    waited_ms: float
    """The longest that another writer waited for its turn."""
    waited_before_ms: float
    grown_mb: float
    """The purge's largest resident set, less that at its first transaction."""
    p99_before: float
    p99_during: float
    samples: int
    said: str
    """What the command has printed."""


def purge(database_url: str, rows: int, lines: int, samples: int) -> Purged:
    """Seed ``rows``, and purge them while the web worker is asked for operations. Raises CannotMeasure."""
    with prepared(MedimgrOnTheWeb, database_url) as site:
        site.seed(rows, lines)
        os.sync()  # what was written to make them is no part of what follows
        site.log_in()
        site.start(site.worker())
        site.serve()
        poster = Poster(site)
        with _another_writer(site) as resting:
            before = poster.measure(samples)
        times = site.directory / "transactions"
        with _another_writer(site) as meanwhile:
            command = [*MANAGE, "purge_operations", "--keep-hours", "1"]
            began = time.monotonic()
            process = site.start(command, speaks=True, variables={transaction_times.VARIABLE: str(times)})
            watch = _Watch(process)
            watch.start()
            during = poster.measure(_MOST, lambda: not watch.is_alive())
            watch.join()
        assert process.stdout is not None
        said = process.stdout.read().decode().strip()
        found = transaction_times.read(times)
        if process.returncode or found is None:
            raise CannotMeasure(f"The purge ended with {process.returncode}. {said} {site.output()}")
        for table, column in (("operation", "id"), ("logpart", "operation_id")):
            left = site.value(f"SELECT count(*) FROM operations_{table} WHERE {column} <= {rows}")
            if left:
                raise CannotMeasure(f"The purge has left {left} rows in operations_{table}. {said}")
        return Purged(
            seconds=watch.ended - began,
            transactions=found.count,
            longest_ms=found.longest_ms,
            waited_ms=meanwhile[0],
            waited_before_ms=resting[0],
            grown_mb=max(0.0, watch.largest_mb - found.resident_at_first_mb),
            p99_before=percentile(before.to_start, 99),
            p99_during=percentile(during.to_start, 99) if during.to_start else 0.0,
            samples=len(during.to_start),
            said=said,
        )


class _Watch(threading.Thread):
    """Notes when a process has ended, and the most memory that was resident."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        super().__init__(name="watch", daemon=True)
        self._process = process
        self.largest_mb = 0.0
        self.ended = 0.0

    def run(self) -> None:
        """Look until it has ended, or for half an hour."""
        status = Path(f"/proc/{self._process.pid}/status")
        end = time.monotonic() + _LONG_SECONDS
        while self._process.poll() is None and time.monotonic() < end:
            for line in status.read_text().splitlines():
                if line.startswith("VmHWM:"):
                    self.largest_mb = int(line.split()[1]) * 1024 / 1e6
            time.sleep(_LOOK_SECONDS)
        self.ended = time.monotonic()


@contextmanager
def _another_writer(site: MedimgrOnTheWeb) -> Iterator[list[float]]:
    """Have one wait for its turn, over and over; afterwards the list has the longest wait, in ms."""
    command = [sys.executable, "-m", "tests.benchmarks.operation_peers.waiting_writer"]
    process = site.start(command, speaks=True)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdout.readline()
    longest: list[float] = []
    yield longest
    process.stdin.close()
    told = process.stdout.readline().decode().split()
    process.wait(60)
    if not told:
        raise CannotMeasure(f"The writer that waits has ended. {site.output()}")
    longest.append(float(told[1]))
