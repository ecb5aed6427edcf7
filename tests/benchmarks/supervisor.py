"""Supervisors side by side: ``script/bench supervisor``. Prints one table per question, as Markdown."""

import argparse
import os
import platform
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.beacons import Beacons, CannotMeasure, build
from tests.benchmarks.operation_latency import operation_latency
from tests.benchmarks.peers.circus import Circus, CircusWithStatistics
from tests.benchmarks.peers.floor import Floor
from tests.benchmarks.peers.medimgr_here import Medimgr
from tests.benchmarks.peers.peer import Peer, end
from tests.benchmarks.peers.pm2 import Pm2
from tests.benchmarks.peers.runit import Runit
from tests.benchmarks.peers.supervisord import Supervisord
from tests.benchmarks.steady import steady
from tests.benchmarks.table import Column, median, spread, table
from tests.benchmarks.usage import cpu_percent, open_files, pss_mb, rss_mb

PEERS: dict[str, type[Peer]] = {
    "medimgr": Medimgr,
    "floor": Floor,
    "runit": Runit,
    "pm2": Pm2,
    "supervisor": Supervisord,
    "circus": Circus,
    "circus-stats": CircusWithStatistics,
}
_LONG = 120.0


@contextmanager
def supervised(kind: type[Peer], beacon: Path, count: int) -> Iterator[tuple[Peer, Beacons, list[str]]]:
    """Declare ``count`` beacons for a peer; whatever happens, nothing of it is left afterwards."""
    with tempfile.TemporaryDirectory(prefix="medimgr-bench-") as name:
        directory = Path(name)
        peer = kind(directory)
        names = [f"beacon-{number:04}" for number in range(count)]
        beacons = Beacons(directory / "lines")
        peer.declare(names, beacon, beacons.path)
        try:
            yield peer, beacons, names
        finally:
            peer.clean_up()
            beacons.read()
            end({one.pid for one in beacons.said if os.path.exists(f"/proc/{one.pid}")})


def started(peer: Peer, beacons: Beacons, names: list[str]) -> float:
    """Start the peer and return the seconds until the last service's first line."""
    began = time.monotonic_ns()
    peer.start()
    if not beacons.all_up(names, _LONG):
        raise CannotMeasure(f"{peer.title}: {len(beacons.started)} of {len(names)} came up. {peer.output()}")
    return (beacons.last("up") - began) / 1e9


def respawns(kind: type[Peer], beacon: Path, beside: int, samples: int) -> list[float]:
    """Kill services one at a time and return the milliseconds to each new process's first line."""
    with supervised(kind, beacon, beside) as (peer, beacons, names):
        started(peer, beacons, names)
        time.sleep(3.0)  # all of them prove themselves
        chosen = random.Random(1)
        victims = [chosen.choice(names) for _ in range(min(samples, peer.samples))]
        if len(names) >= len(victims):
            victims = chosen.sample(names, len(victims))
        found = []
        for victim in victims:
            time.sleep(peer.settle_seconds + chosen.uniform(0.0, 0.2))
            before = beacons.started[victim]
            killed = time.monotonic_ns()
            os.kill(beacons.pid[victim], signal.SIGKILL)
            if not beacons.wait(lambda v=victim, b=before: beacons.started[v] > b, 30.0):  # type: ignore[misc]
                raise CannotMeasure(f"{peer.title}: {victim} did not come back. {peer.output()}")
            at = next(one.at for one in reversed(beacons.said) if one.name == victim and one.word == "up")
            found.append((at - killed) / 1e6)
        return found


def crowd(kind: type[Peer], beacon: Path, count: int, idle: float, settle: float) -> list[float | str | None]:
    """Start and stop many services; measure what the supervisor uses in between."""
    with supervised(kind, beacon, count) as (peer, beacons, names):
        up = started(peer, beacons, names)
        time.sleep(settle)
        pids = peer.own_pids()
        cpu = cpu_percent(pids, idle)
        figures: list[float | str | None] = [cpu, pss_mb(pids), rss_mb(pids), float(open_files(pids[0]))]
        asked = time.monotonic_ns()
        peer.stop()
        if not beacons.wait(lambda: beacons.alive() == 0, _LONG):
            return [up, f"{beacons.alive()} left", None, *figures]
        gone = (time.monotonic_ns() - asked) / 1e9
        ended = f"{(time.monotonic_ns() - asked) / 1e9:.2f}" if peer.wait(_LONG) else "no"
        return [up, gone, ended, *figures]


def take_over(kind: type[Peer], beacon: Path, count: int, settle: float) -> list[float | str | None]:
    """Kill the supervisor with -9, start it again, and see what becomes of the services."""
    with supervised(kind, beacon, count) as (peer, beacons, names):
        started(peer, beacons, names)
        time.sleep(settle)
        peer.kill()
        time.sleep(1.0)  # what the death of the supervisor does to its services, it does by now
        beacons.read()
        survived = beacons.alive()
        pids = dict(beacons.pid)
        began = time.monotonic()
        peer.start()
        adopted: float | None = None
        if isinstance(peer, Medimgr):
            pid = peer.own_pids()[0]
            while adopted is None and time.monotonic() - began < _LONG:
                # A pidfd per service: it watches them all.
                if os.path.exists(f"/proc/{pid}/fd") and _pidfds(pid) >= count:
                    adopted = time.monotonic() - began
                time.sleep(0.005)
        beacons.wait(lambda: False, settle)
        same = sum(beacons.pid[name] == pid and os.path.exists(f"/proc/{pid}") for name, pid in pids.items())
        return [float(survived), adopted, float(same), float(beacons.doubled())]


def _pidfds(pid: int) -> int:
    found = 0
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            found += "pidfd" in os.readlink(f"/proc/{pid}/fd/{name}")
    except OSError:
        return 0
    return found


def main(arguments: list[str]) -> int:
    """Measure what is asked for; return the exit code."""
    parser = argparse.ArgumentParser(prog="script/bench supervisor", description=__doc__)
    parser.add_argument("--peers", default=",".join(PEERS), help=f"of {', '.join(PEERS)}")
    parser.add_argument("--only", default="respawn,crowd,takeover,operations", help="which questions")
    parser.add_argument("--services", type=int, default=1000, help="the crowd (1000)")
    parser.add_argument("--beside", type=int, default=300, help="services idle beside a crash (300)")
    parser.add_argument("--samples", type=int, default=100, help="crashes that are measured (100)")
    parser.add_argument("--idle", type=float, default=20.0, help="seconds of doing nothing (20)")
    parser.add_argument("--settle", type=float, default=8.0, help="seconds for a crowd to come to rest (8)")
    parser.add_argument("--rounds", type=int, default=1, help="medians of so many runs (1)")
    parser.add_argument("--restarts", type=int, default=0, help="also: memory over so many restarts")
    asked = parser.parse_args(arguments)
    only = set(asked.only.split(","))
    with tempfile.TemporaryDirectory(prefix="medimgr-bench-") as name:
        try:
            beacon = build(Path(name))
        except CannotMeasure as why:
            print(why, file=sys.stderr)
            return 1
        kinds = _present([PEERS[peer] for peer in asked.peers.split(",")])
        print(
            f"{platform.system()} {platform.release()}, Python {platform.python_version()}, "
            f"{os.cpu_count()} cores\n"
        )
        if "respawn" in only:
            _print_respawns(kinds, beacon, asked)
        if "crowd" in only:
            _print_crowd(kinds, beacon, asked)
        if "takeover" in only:
            _print_take_over(kinds, beacon, asked)
        if "operations" in only and Medimgr in kinds:
            print("### An operation is requested in another process → the service gets its signal\n")
            print(operation_latency(beacon), "\n", flush=True)
        if asked.restarts:
            print(f"### Memory over {asked.restarts} restarts\n")
            print(steady(beacon, asked.restarts), "\n", flush=True)
    return 0


def _present(kinds: list[type[Peer]]) -> list[type[Peer]]:
    """Return the peers that can be measured here, and say why the others cannot."""
    found = []
    for kind in kinds:
        with tempfile.TemporaryDirectory(prefix="medimgr-bench-") as name:
            try:
                print(f"- {kind.title} {kind(Path(name)).version()}")
                found.append(kind)
            except CannotMeasure as why:
                print(f"- {kind.title}: not measured. {why}")
    print(flush=True)
    return found


def _rows(
    kinds: list[type[Peer]], measure: Callable[[type[Peer]], list[float | str | None]]
) -> dict[str, list[float | str | None]]:
    rows: dict[str, list[float | str | None]] = {}
    for kind in kinds:
        try:
            rows[kind.title] = measure(kind)
        except CannotMeasure as why:
            print(why, file=sys.stderr)
    return rows


def _middle(runs: list[list[float | str | None]]) -> list[float | str | None]:
    """Return the median of each figure; a text stands for itself."""
    found: list[float | str | None] = []
    for values in zip(*runs, strict=True):
        numbers = [value for value in values if isinstance(value, int | float)]
        found.append(median(numbers) if len(numbers) == len(values) else values[-1])
    return found


def _print_respawns(kinds: list[type[Peer]], beacon: Path, asked: argparse.Namespace) -> None:
    def measure(kind: type[Peer]) -> list[float | str | None]:
        found: list[float] = []
        for _ in range(asked.rounds):
            found += respawns(kind, beacon, asked.beside, asked.samples)
        return [*spread(found), str(len(found))]

    columns = [Column(title, "ms") for title in ("min", "p50", "p99", "max")]
    print(f"### Crash → first line of the new process, {asked.beside} services\n")
    print(table([*columns, Column("samples", "")], _rows(kinds, measure)), "\n", flush=True)


def _print_crowd(kinds: list[type[Peer]], beacon: Path, asked: argparse.Namespace) -> None:
    def measure(kind: type[Peer]) -> list[float | str | None]:
        return _middle(
            [crowd(kind, beacon, asked.services, asked.idle, asked.settle) for _ in range(asked.rounds)]
        )

    columns = [
        Column("all started", "s", 2),
        Column("all gone", "s", 2),
        Column("it has ended", "s"),
        Column("idle CPU", "%", 2),
        Column("PSS", "MB"),
        Column("RSS", "MB"),
        Column("open files", "", 0),
    ]
    print(f"### {asked.services} services\n")
    print(table(columns, _rows(kinds, measure)), "\n", flush=True)


def _print_take_over(kinds: list[type[Peer]], beacon: Path, asked: argparse.Namespace) -> None:
    count = asked.services

    def measure(kind: type[Peer]) -> list[float | str | None]:
        return take_over(kind, beacon, count if kind is Medimgr else min(count, 20), asked.settle)

    columns = [
        Column("alive after kill -9", "", 0, ratio=False),
        Column("all watched again", "s", 2, ratio=False),
        Column("the same process afterwards", "", 0, ratio=False),
        Column("doubled", "", 0, ratio=False),
    ]
    print(f"### kill -9 of the supervisor and start again ({count} services; peers 20)\n")
    print(table(columns, _rows([k for k in kinds if k is not Floor], measure)), "\n", flush=True)
