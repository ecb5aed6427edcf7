"""Operations beside other queues: ``script/bench operations``. One Markdown table per question."""

import argparse
import platform
import tempfile
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from tests.benchmarks.beacons import CannotMeasure
from tests.benchmarks.operation_latency import postgresql
from tests.benchmarks.operation_peers.medimgr_here import Medimgr
from tests.benchmarks.operation_peers.others import DjangoTasks, DjangoTasksOften, Procrastinate
from tests.benchmarks.operation_peers.queue_peer import QueuePeer
from tests.benchmarks.operation_questions import ANSWERS, Plan, Run
from tests.benchmarks.operation_targets import ENGINES, reached_table

PEERS: dict[str, type[QueuePeer]] = {
    "medimgr": Medimgr,
    "django-tasks": DjangoTasks,
    "django-tasks-often": DjangoTasksOften,
    "procrastinate": Procrastinate,
}
_QUICK = Plan(samples=50, operations=1000, rows=50_000, rounds=3, turns=1)


def main(arguments: list[str]) -> int:
    """Measure what is asked for; return the exit code."""
    parser = argparse.ArgumentParser(prog="script/bench operations", description=__doc__)
    parser.add_argument("--peers", default=",".join(PEERS), help=f"of {', '.join(PEERS)}")
    parser.add_argument("--only", default=",".join(ANSWERS), help=f"which questions, of {', '.join(ANSWERS)}")
    parser.add_argument("--databases", default=",".join(ENGINES), help=f"of {', '.join(ENGINES)}")
    parser.add_argument("--rows", type=int, help="finished operations (1,000,000)")
    parser.add_argument("--lines", type=int, help="of log, each of them (3)")
    parser.add_argument("--operations", type=int, help="for throughput (5000)")
    parser.add_argument("--samples", type=int, help="of a latency (300)")
    parser.add_argument("--quick", action="store_true", help="little of everything: a first look")
    asked = parser.parse_args(arguments)
    counts = ("rows", "lines", "operations", "samples")
    given = {name: value for name in counts if (value := getattr(asked, name)) is not None}
    plan = replace(_QUICK if asked.quick else Plan(), **given)
    plan = replace(plan, few=min(plan.few, plan.rows))
    engines = tuple(engine for engine in ENGINES if engine in asked.databases.split(","))
    print(f"{platform.system()} {platform.release()}, Python {platform.python_version()}\n")
    kinds = _present([PEERS[peer] for peer in asked.peers.split(",")])
    with postgresql() if "PostgreSQL" in engines else nullcontext("") as server:
        run = Run(kinds, engines, plan, server)
        for question, answer in ANSWERS.items():
            if question in asked.only.split(","):
                answer(run)
    if reached := reached_table(run.figures, plan.rows):
        print(f"### What medimgr is to reach with 1,000,000 operations; here {plan.rows:,}\n\n{reached}\n")
    return 0


def _present(kinds: list[type[QueuePeer]]) -> list[type[QueuePeer]]:
    """Return the queues that can be measured here, and say why the others cannot."""
    found = []
    with tempfile.TemporaryDirectory(prefix="medimgr-bench-") as name:
        for kind in kinds:
            try:
                print(f"- {kind.title}: {kind(Path(name)).version()}")
                found.append(kind)
            except CannotMeasure as why:
                print(f"- {kind.title}: not measured. {why}")
    print(flush=True)
    return found
