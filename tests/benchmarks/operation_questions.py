"""The questions of ``script/bench operations``: each measures what it concerns and prints a table."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import psycopg

from tests.benchmarks.beacons import CannotMeasure
from tests.benchmarks.operation_peers.medimgr_here import Medimgr, MedimgrOnTheWeb
from tests.benchmarks.operation_peers.queue_peer import QueuePeer
from tests.benchmarks.page_measures import visits
from tests.benchmarks.post_latency import Poster
from tests.benchmarks.purge_measures import purge
from tests.benchmarks.queue_measures import latency, prepared, throughput, throughput_while_asked
from tests.benchmarks.table import Column, median, percentile, table

Row = list[float | str | None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    samples: int = 300
    """Of a latency."""
    operations: int = 5000
    """For throughput."""
    rows: int = 1_000_000
    """Finished ones, for pages and the purge."""
    few: int = 10_000
    """With which the number of queries is compared: enough for every filter to find some."""
    lines: int = 3
    """Of log, each."""
    rounds: int = 7
    """Visits of a page."""
    turns: int = 3
    """Of throughput, of which the median counts."""


@dataclass
class Run:
    """What is measured, how, and what was found so far."""

    kinds: list[type[QueuePeer]]
    engines: tuple[str, ...]
    plan: Plan
    server: str
    """The URL of a PostgreSQL server's database, in which others are made; empty where none is measured."""
    figures: dict[str, float] = field(default_factory=dict)
    """Those that :mod:`tests.benchmarks.operation_targets` compares."""
    _made: int = 0

    def database(self, engine: str) -> str:
        """Return the URL of a new database; empty for SQLite, which each peer has in its directory."""
        if engine == "SQLite":
            return ""
        self._made += 1
        name = f"bench_{self._made}"
        with psycopg.connect(self.server, autocommit=True) as asking:
            asking.execute(f"CREATE DATABASE {name}".encode())
        before, _, after = self.server.rpartition("/bench")
        return f"{before}/{name}{after}"

    def show(self, title: str, columns: list[Column], measures: Mapping[str, Callable[[], Row]]) -> None:
        """Measure and print; what cannot be measured says why and is left out."""
        rows: dict[str, Row] = {}
        for name, measure in measures.items():
            try:
                rows[name] = measure()
            except CannotMeasure as why:
                print(f"{name}: {why}", file=sys.stderr)
        if rows:
            print(f"### {title}\n\n{table(columns, rows)}\n", flush=True)

    def of_each(
        self, measure: Callable[[type[QueuePeer], str], Row], kinds: list[type[QueuePeer]]
    ) -> dict[str, Callable[[], Row]]:
        """Return a measurement for each engine and those of ``kinds`` that can use it, by their titles."""
        return {
            f"{kind.title}, {engine}": partial(measure, kind, engine)
            for engine in self.engines
            for kind in kinds
            if engine in kind.engines
        }


def _start(run: Run) -> None:
    def measure(engine: str) -> Row:
        with prepared(MedimgrOnTheWeb, run.database(engine)) as site:
            site.log_in()
            site.start(site.worker())
            site.serve()
            found = Poster(site).measure(run.plan.samples)
        run.figures[f"start {engine}"] = percentile(found.to_start, 99)
        parts = (found.to_start, found.from_commit, found.to_answer)
        return [*(percentile(part, share) for part in parts for share in (50, 99)), max(found.to_start)]

    columns = [
        Column(f"{what} {share}", "ms", ratio=False)
        for what in ("POST → handler", "commit → handler", "POST → answer")
        for share in ("p50", "p99")
    ]
    columns.append(Column("POST → handler max", "ms", ratio=False))
    ways = {engine: partial(measure, engine) for engine in run.engines}
    run.show(f"Asked of the web process → its handler has started ({run.plan.samples} each)", columns, ways)


def _throughput(run: Run) -> None:
    count = run.plan.operations

    def measure(kind: type[QueuePeer], engine: str) -> Row:
        # Another run's figure is easily twice that on a shared machine: the median of some.
        turns = range(run.plan.turns)
        waiting = median([throughput(kind, run.database(engine), count) for _ in turns])
        pairs = [throughput_while_asked(kind, run.database(engine), count // 2) for _ in turns]
        ended, asked = sorted(pairs)[len(pairs) // 2]
        rival = "" if kind is Medimgr else f"{kind.title}: "
        run.figures[f"{rival}throughput {engine}"] = waiting
        return [waiting, ended, asked]

    columns = [
        Column(f"{count:,} waiting", "ended a second", 0),
        Column("while asked for", "ended a second", 0),
    ]
    columns.append(Column("asked for meanwhile, one by one", "a second", 0))
    kinds = [kind for kind in run.kinds if not kind.works_alike]
    run.show("Operations that do nothing, one executor", columns, run.of_each(measure, kinds))


def _latency(run: Run) -> None:
    def measure(kind: type[QueuePeer], engine: str) -> Row:
        found = latency(kind, run.database(engine), run.plan.samples)
        return [*(percentile(found, share) for share in (50, 99)), max(found)]

    columns = [Column(title, "ms") for title in ("p50", "p99", "max")]
    title = f"Asked for by another process → its handler has started ({run.plan.samples} each)"
    run.show(title, columns, run.of_each(measure, run.kinds))


def _purge(run: Run) -> None:
    plan = run.plan

    def measure(engine: str) -> Row:
        one = purge(run.database(engine), plan.rows, plan.lines, plan.samples)
        ratio = one.p99_during / one.p99_before
        run.figures |= {
            f"purge {engine}": one.seconds,
            f"longest {engine}": max(one.longest_ms, one.waited_ms),
            f"grown {engine}": one.grown_mb,
            f"others {engine}": ratio,
        }
        memory: Row = [one.grown_mb, one.p99_before, one.p99_during, ratio, one.samples]
        return [one.seconds, one.transactions, one.longest_ms, one.waited_before_ms, one.waited_ms, *memory]

    columns = [
        Column("took", "s", ratio=False),
        Column("transactions", "", 0, ratio=False),
        Column("the longest", "ms", ratio=False),
        Column("another writer waited, before", "ms", ratio=False),
        Column("meanwhile", "ms", ratio=False),
        Column("memory over start", "MB", ratio=False),
        Column("POST → handler p99 before", "ms", ratio=False),
        Column("meanwhile", "ms", ratio=False),
        Column("of before", "×", 2, ratio=False),
        Column("samples", "", 0, ratio=False),
    ]
    title = f"A purge of {plan.rows:,} finished operations with {plan.lines} lines of log each"
    run.show(title, columns, {engine: partial(measure, engine) for engine in run.engines})


def _pages(run: Run) -> None:
    for engine in run.engines:
        try:
            _pages_of(run, engine)
        except CannotMeasure as why:
            print(f"Pages, {engine}: {why}", file=sys.stderr)


def _pages_of(run: Run, engine: str) -> None:
    plan = run.plan
    few = visits(run.database(engine), plan.few, plan.lines, plan.rounds)
    queries = {(visit.where, visit.filter): visit.queries for visit in few}
    rows: dict[str, Row] = {}
    for visit in visits(run.database(engine), plan.rows, plan.lines, plan.rounds):
        before = queries[visit.where, visit.filter]
        middle = percentile(visit.ms, 50)
        answer = "" if visit.status == 200 else f" (answered {visit.status})"
        rows[f"{visit.where}, {visit.filter}{answer}"] = [middle, max(visit.ms), before, visit.queries]
        figures = {f"{visit.where} {engine}": middle, f"queries {engine}": float(visit.queries - before)}
        for name, figure in figures.items():
            run.figures[name] = max(figure, run.figures.get(name, 0.0))
    columns = [
        Column("p50", "ms", ratio=False),
        Column("max", "ms", ratio=False),
        Column(f"queries with {plan.few:,} rows", "", 0, ratio=False),
        Column("queries", "", 0, ratio=False),
    ]
    title = f"First pages with {plan.rows:,} operations, {engine}: server time"
    print(f"### {title}\n\n{table(columns, rows)}\n", flush=True)


ANSWERS: dict[str, Callable[[Run], None]] = {
    "start": _start,
    "throughput": _throughput,
    "latency": _latency,
    "purge": _purge,
    "pages": _pages,
}
"""The name of each question on the command line."""
