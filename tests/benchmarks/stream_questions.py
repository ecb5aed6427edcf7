"""The questions of ``script/bench streams``: each measures the servers it concerns and prints a table."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from tests.benchmarks.beacons import CannotMeasure
from tests.benchmarks.operation_latency import postgresql
from tests.benchmarks.stream_goodbyes import goodbyes
from tests.benchmarks.stream_measures import FanOut, Plan, fan_out, herd, serving, steady
from tests.benchmarks.stream_peers.medimgr_here import Medimgr
from tests.benchmarks.stream_peers.peer import StreamPeer
from tests.benchmarks.stuck_clients import stuck_clients
from tests.benchmarks.table import Column, percentile, table
from tests.benchmarks.usage import anonymous_mb

_STUCK_SECONDS = 40.0
_READERS = 100
_GZIP_RATE = 10.0
_COMMIT_RATE = 5.0

Row = list[float | str | None]


@dataclass
class Run:
    """What is measured, how, and what was found so far."""

    kinds: list[type[StreamPeer]]
    plan: Plan
    figures: dict[str, float] = field(default_factory=dict)
    """Those that :mod:`tests.benchmarks.stream_targets` compares."""

    def of_each(self, measure: Callable[[type[StreamPeer]], Row]) -> dict[str, Callable[[], Row]]:
        """Return a measurement for each server, by its title."""
        return {kind.title: partial(measure, kind) for kind in self.kinds}

    def show(self, title: str, columns: list[Column], measures: Mapping[str, Callable[[], Row]]) -> None:
        """Measure and print; who cannot be measured says why and is left out."""
        rows: dict[str, Row] = {}
        for name, measure in measures.items():
            try:
                rows[name] = measure()
            except CannotMeasure as why:
                print(f"{name}: {why}", file=sys.stderr)
        if rows:
            print(f"### {title}\n\n{table(columns, rows)}\n", flush=True)


def _fan_out(run: Run) -> None:
    found: dict[str, FanOut] = {}

    def measure(kind: type[StreamPeer]) -> Row:
        with serving(kind, run.plan) as stage:
            found[kind.title] = one = fan_out(stage)
        run.figures[f"{kind.title}: peak"] = max(
            (peak for peak in one.peaks.values() if isinstance(peak, float)), default=0.0
        )
        latency = one.steady.latency_ms[1:]
        return [*latency, one.steady.cpu_percent, one.idle_percent, *one.peaks.values()]

    count = run.plan.connections
    columns = [Column(f"1 Hz {title}", "ms") for title in ("p50", "p99", "max")]
    columns += [Column("CPU at 1 Hz", "%", 2), Column("CPU idle", "%", 2)]
    columns += [Column(f"peak, {ahead} ahead", "deliveries/s", 0) for ahead in (2, 8, 32)]
    run.show(f"{count} streams, messages of 600 bytes", columns, run.of_each(measure))
    columns = [Column("memory for each stream", "KiB"), Column("RSS", "MB")]
    columns += [Column(what, "") for what in ("threads", "files beside the sockets", "database connections")]
    rooms = {title: partial(_room, one) for title, one in found.items()}
    run.show(f"What {count} streams take (before → with them)", columns, rooms)
    if one := found.get(Medimgr.title):
        run.figures |= {
            "p50": one.steady.latency_ms[1],
            "p99": one.steady.latency_ms[2],
            "cpu": one.steady.cpu_percent,
            "memory": one.kib_each,
            "rss": one.rss_mb,
            "threads": one.threads[1] - one.threads[0],
            "database": (one.database[1] or 0) - (one.database[0] or 0),
        }


def _room(one: FanOut) -> Row:
    database = None if one.database[0] is None else _change(*one.database)
    return [one.kib_each, one.rss_mb, _change(*one.threads), _change(*one.files), database]


def _change(before: int | None, after: int | None) -> str:
    return f"{before} → {after}"


def _herd(run: Run) -> None:
    def measure(kind: type[StreamPeer]) -> Row:
        row: Row = []
        with serving(kind, run.plan, max(run.plan.herds)) as stage:
            for count in run.plan.herds:
                opened = herd(stage, count)
                row += [opened.seconds, opened.first_byte_ms[1], float(opened.opened)]
                if kind is Medimgr:
                    run.figures[f"herd {count}"] = opened.seconds
                    run.figures["left out"] = run.figures.get("left out", 0) + count - opened.opened
        return row

    columns = []
    for count in run.plan.herds:
        columns.append(Column(f"{count}: the last one's first byte", "s", 2))
        columns += [Column("p50", "ms", 0), Column("opened", "", 0, ratio=False)]
    run.show("Streams that come all at once", columns, run.of_each(measure))


def _goodbye(run: Run) -> None:
    if Medimgr not in run.kinds:
        return
    plan = run.plan
    with serving(Medimgr, plan, notes_ends=True) as stage:

        def measure(how: str) -> Row:
            streams, rows = goodbyes(stage, how)
            for name, figure in (("stream gone", percentile(streams, 99)), ("row gone", max(rows))):
                run.figures[name] = max(figure, run.figures.get(name, 0.0))
            return [*(percentile(streams, share) for share in (50, 99, 100)), percentile(rows, 50), max(rows)]

        columns = [Column(f"stream gone {title}", "ms") for title in ("p50", "p99", "max")]
        columns += [Column(f"row gone {title}", "ms") for title in ("p50", "max")]
        ways = {how.upper(): partial(measure, how) for how in ("fin", "rst")}
        run.show(f"A client goes away ({plan.goodbyes} of {plan.connections}, 10 ms apart)", columns, ways)


def _gzip(run: Run) -> None:
    found: dict[tuple[type[StreamPeer], bool], tuple[float, float]] = {}

    def measure(kind: type[StreamPeer], gzip: bool) -> Row:
        count = run.plan.connections
        with serving(kind, run.plan) as stage:
            memory = anonymous_mb(stage.peer.pids())
            with stage.streams(count, gzip=gzip) as client, stage.publisher() as publisher:
                one = steady(stage, client, publisher, "status", _GZIP_RATE)
                each = (anonymous_mb(stage.peer.pids()) - memory) * 1e6 / 1024 / count
        found[kind, gzip] = one.bytes_each, one.cpu_percent
        return [one.bytes_each, one.cpu_percent, *one.latency_ms[1:3], each]

    columns = [Column("on the wire", "bytes", 0), Column("CPU", "%", 2)]
    columns += [Column("p50", "ms"), Column("p99", "ms"), Column("memory for each stream", "KiB")]
    ways = {
        f"{kind.title}, {'gzip' if gzip else 'plain'}": partial(measure, kind, gzip)
        for kind in run.kinds
        if issubclass(kind, Medimgr)
        for gzip in (False, True)
    }
    title = f"A status of 50 services, {_GZIP_RATE:g} times a second, {run.plan.connections} streams"
    run.show(title, columns, ways)
    if {(Medimgr, False), (Medimgr, True)} <= set(found):
        (plain, cpu), (zipped, cpu_zipped) = found[Medimgr, False], found[Medimgr, True]
        run.figures |= {"saved": 100 * (1 - zipped / plain), "gzip cpu": cpu_zipped / cpu if cpu else 0.0}


def _commit(run: Run) -> None:
    def measure(name: str, url: str) -> Row:
        with (
            serving(Medimgr, run.plan, database_url=url) as stage,
            stage.streams(run.plan.connections) as client,
            stage.publisher() as publisher,
        ):
            latency = steady(stage, client, publisher, "600", _COMMIT_RATE).latency_ms
        run.figures[f"commit {name}"] = latency[2]
        return [*latency]

    columns = [Column(title, "ms", ratio=False) for title in ("min", "p50", "p99", "max")]
    if Medimgr in run.kinds:
        with postgresql() as url:
            ways = {name: partial(measure, name, at) for name, at in (("SQLite", ""), ("PostgreSQL", url))}
            run.show(f"Published in another process → received by {run.plan.connections}", columns, ways)


def _stuck(run: Run) -> None:
    def measure(kind: type[StreamPeer]) -> Row:
        with serving(kind, run.plan) as stage:
            one = stuck_clients(stage, _READERS, min(_STUCK_SECONDS, 4 * run.plan.seconds))
        if kind is Medimgr:
            run.figures |= {"held": one.grown_mib + one.buffered_mib, "unended": one.ended_seconds is None}
            run.figures["others"] = one.p99_during / one.p99_before
        ended = "not" if one.ended_seconds is None else one.ended_seconds
        return [one.grown_mib, one.buffered_mib, ended, one.p99_before, one.p99_during]

    columns = [Column("the process grew, for ten", "MiB"), Column("in the kernel, for each", "MiB")]
    columns += [Column("ended after", "s")]
    columns += [Column(title, "ms", ratio=False) for title in ("the others' p99 before", "meanwhile")]
    title = f"Ten clients that never read, 0.8 MB a second, beside {_READERS} that do"
    run.show(title, columns, run.of_each(measure))


ANSWERS: dict[str, Callable[[Run], None]] = {
    "fanout": _fan_out,
    "herd": _herd,
    "goodbye": _goodbye,
    "gzip": _gzip,
    "commit": _commit,
    "stuck": _stuck,
}
"""The name of each question on the command line."""
