"""Servers of event streams side by side: ``script/bench streams``. One Markdown table per question."""

import argparse
import os
import platform
import resource
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from tests.benchmarks.beacons import CannotMeasure
from tests.benchmarks.load_client import build_load_client
from tests.benchmarks.stream_measures import Plan, cores
from tests.benchmarks.stream_peers.medimgr_here import Medimgr, MedimgrPortable
from tests.benchmarks.stream_peers.others import Eventstream, Nchan, Starlette
from tests.benchmarks.stream_peers.peer import StreamPeer
from tests.benchmarks.stream_questions import ANSWERS, Run
from tests.benchmarks.stream_targets import reached_table

PEERS: dict[str, type[StreamPeer]] = {
    "medimgr": Medimgr,
    "portable": MedimgrPortable,
    "nchan": Nchan,
    "starlette": Starlette,
    "eventstream": Eventstream,
}
_QUICK = Plan(Path(), seconds=5.0, idle_seconds=5.0, peak_seconds=1.0, rounds=1, herds=(1000,), goodbyes=30)


def main(arguments: list[str]) -> int:
    """Measure what is asked for; return the exit code."""
    parser = argparse.ArgumentParser(prog="script/bench streams", description=__doc__)
    parser.add_argument("--peers", default=",".join(PEERS), help=f"of {', '.join(PEERS)}")
    parser.add_argument("--only", default=",".join(ANSWERS), help=f"which questions, of {', '.join(ANSWERS)}")
    parser.add_argument("--connections", type=int, default=1000, help="open streams (1000)")
    parser.add_argument("--herds", default="", help="so many at once (1000,5000)")
    parser.add_argument("--seconds", type=float, default=0.0, help="of each window (20, idle 60, peak 5)")
    parser.add_argument("--quick", action="store_true", help="short windows and one round: a first look")
    asked = parser.parse_args(arguments)
    _allow_files()
    with tempfile.TemporaryDirectory(prefix="medimgr-bench-") as name:
        try:
            client = build_load_client(Path(name))
        except CannotMeasure as why:
            print(why, file=sys.stderr)
            return 1
        server_cpu, client_cpu = cores()
        if server_cpu is not None:
            # The publisher, PostgreSQL and ourselves stay off the server's core.
            os.sched_setaffinity(0, os.sched_getaffinity(0) - {server_cpu})
        base = _QUICK if asked.quick else Plan(Path())
        if asked.seconds:
            base = replace(
                base, seconds=asked.seconds, idle_seconds=asked.seconds, peak_seconds=asked.seconds
            )
        herds = tuple(int(count) for count in asked.herds.split(",") if count) or base.herds
        plan = replace(
            base,
            client=client,
            connections=asked.connections,
            goodbyes=min(base.goodbyes, asked.connections),
            herds=herds,
            server_cpu=server_cpu,
            client_cpu=client_cpu,
        )
        where = "not pinned: one core only" if server_cpu is None else f"server on core {server_cpu}"
        print(f"{platform.system()} {platform.release()}, Python {platform.python_version()}, {where}\n")
        run = Run(_present([PEERS[peer] for peer in asked.peers.split(",")]), plan)
        for question, answer in ANSWERS.items():
            if question in asked.only.split(","):
                try:
                    answer(run)
                except CannotMeasure as why:
                    print(why, file=sys.stderr)
        if reached := reached_table(run.figures):
            print(f"### What medimgr is to reach with 1000 streams; here {plan.connections}\n\n{reached}\n")
    return 0


def _allow_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _present(kinds: list[type[StreamPeer]]) -> list[type[StreamPeer]]:
    """Return the servers that can be measured here, and say why the others cannot."""
    found = []
    for kind in kinds:
        with tempfile.TemporaryDirectory(prefix="medimgr-bench-") as name:
            try:
                print(f"- {kind.title}: {kind(Path(name)).version()}")
                found.append(kind)
            except CannotMeasure as why:
                print(f"- {kind.title}: not measured. {why}")
    print(flush=True)
    return found
