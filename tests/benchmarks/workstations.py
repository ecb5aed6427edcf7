"""Looking after a fleet: ``script/bench workstations``. One Markdown table, and what is to be reached."""

import argparse
import platform
import tempfile
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from tests.benchmarks import targets
from tests.benchmarks.operation_latency import postgresql
from tests.benchmarks.polling_measures import Found, Size, Watcher, look_after
from tests.benchmarks.table import Column, percentile, table
from tests.benchmarks.targets import Target

ENGINES = ("SQLite", "PostgreSQL")
_COLUMNS = [
    Column("all known after", "s", ratio=False),
    Column("CPU", "% of a core", ratio=False),
    Column("CPU per reading", "ms", ratio=False),
    Column("PSS", "MB", ratio=False),
    Column("threads at most", "", 0, ratio=False),
    Column("events at rest", "", 0, ratio=False),
    Column("longest gap", "s", ratio=False),
    Column("beside stalling ones", "s", ratio=False),
    Column("change → event, p50", "s", ratio=False),
    Column("p99", "s", ratio=False),
    Column("gone → told", "s", ratio=False),
    Column("back → read", "s", ratio=False),
    Column("stop", "s", 2, ratio=False),
]


def main(arguments: list[str]) -> int:
    """Measure what is asked for; return the exit code."""
    parser = argparse.ArgumentParser(prog="script/bench workstations", description=__doc__)
    parser.add_argument("--workstations", type=int, help="half of them can't be reached (200)")
    parser.add_argument("--emulators", type=int, help="on each that can (20)")
    parser.add_argument("--changes", type=int, help="of which the latency is measured (20)")
    parser.add_argument("--stalling", type=int, help="of those that answer, meanwhile (5)")
    parser.add_argument("--inventory-seconds", type=float, help="the interval of reading (60)")
    parser.add_argument("--reachability-seconds", type=float, help="the interval of connecting (30)")
    parser.add_argument("--databases", default="SQLite", help=f"of {', '.join(ENGINES)} (SQLite)")
    asked = vars(parser.parse_args(arguments))
    databases = asked.pop("databases").split(",")
    engines = [engine for engine in ENGINES if engine in databases]
    size = replace(Size(), **{name: value for name, value in asked.items() if value is not None})
    with tempfile.TemporaryDirectory(prefix="medimgr-bench-") as name:
        version = Watcher(Path(name)).version()
    print(
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}, medimgr {version}\n"
    )
    print(
        f"### {size.workstations} workstations × {size.emulators} emulators, half of them unreachable: read "
        f"every {size.inventory_seconds:g} s, connected to every {size.reachability_seconds:g} s\n"
    )
    results: dict[str, Found] = {}
    with postgresql() if "PostgreSQL" in engines else nullcontext("") as server:
        for engine in engines:
            results[engine] = look_after(size, server if engine == "PostgreSQL" else "")
    print(table(_COLUMNS, {engine: _row(found) for engine, found in results.items()}))
    print(f"\n### What is to be reached\n\n{_reached(size, results)}\n")
    return 0


def _row(found: Found) -> list[float | str | None]:
    return [
        found.first,
        found.cpu,
        found.reading_cpu_ms,
        found.memory,
        found.most_threads,
        found.events,
        found.longest_gap,
        found.longest_gap_beside_stalling,
        percentile(found.changes, 50),
        percentile(found.changes, 99),
        found.gone,
        found.back,
        found.stopped,
    ]


def _reached(size: Size, results: dict[str, Found]) -> str:
    every, look = size.inventory_seconds, size.reachability_seconds
    figures: dict[str, float] = {}
    wanted = []
    for engine, found in results.items():
        bounds = [
            ("everybody known", found.first, "s", every),
            ("longest gap between two readings of one", found.longest_gap, "s", every + 5),
            ("the same beside stalling ones", found.longest_gap_beside_stalling, "s", every + 5),
            ("change → event, largest", max(found.changes), "s", every + 5),
            ("gone → told", found.gone, "s", look + 6),
            ("back → its emulators read", found.back, "s", look + 6),
            ("CPU", found.cpu, "% of a core", 30),
            ("events of a fleet that rests", found.events, "", 0),
            ("stop of the worker", found.stopped, "s", 10),
        ]
        for title, value, unit, bound in bounds:
            figures[f"{title} {engine}"] = value
            wanted.append(Target(f"{title} {engine}", f"{title}, {engine}", unit, bound))
    return targets.reached_table(figures, wanted)
