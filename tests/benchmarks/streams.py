"""Servers of event streams side by side: ``script/bench streams``. One Markdown table per question."""

import argparse
import os
import platform
import resource
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from tests.benchmarks.beacons import CannotMeasure
from tests.benchmarks.load_client import build_load_client
from tests.benchmarks.operation_latency import postgresql
from tests.benchmarks.stream_goodbyes import goodbyes
from tests.benchmarks.stream_measures import FanOut, Plan, cores, fan_out, herd, serving, steady
from tests.benchmarks.stream_peers.medimgr_here import Medimgr, MedimgrPortable
from tests.benchmarks.stream_peers.others import Eventstream, Nchan, Starlette
from tests.benchmarks.stream_peers.peer import StreamPeer
from tests.benchmarks.stuck_clients import stuck_clients
from tests.benchmarks.table import Column, percentile, table

PEERS: dict[str, type[StreamPeer]] = {
    "medimgr": Medimgr,
    "portable": MedimgrPortable,
    "nchan": Nchan,
    "starlette": Starlette,
    "eventstream": Eventstream,
}
QUESTIONS = "fanout,herd,goodbye,gzip,commit,stuck"
_QUICK = Plan(Path(), seconds=5.0, idle_seconds=5.0, peak_seconds=1.0, rounds=1, herds=(1000,), goodbyes=30)
_STUCK_SECONDS = 40.0
_READERS = 100
_GZIP_RATE = 10.0
_COMMIT_RATE = 5.0

Row = list[float | str | None]
Kinds = list[type[StreamPeer]]


def main(arguments: list[str]) -> int:
    """Measure what is asked for; return the exit code."""
    parser = argparse.ArgumentParser(prog="script/bench streams", description=__doc__)
    parser.add_argument("--peers", default=",".join(PEERS), help=f"of {', '.join(PEERS)}")
    parser.add_argument("--only", default=QUESTIONS, help=f"which questions, of {QUESTIONS}")
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
        kinds = _present([PEERS[peer] for peer in asked.peers.split(",")])
        only = asked.only.split(",")
        for question, answer in _ANSWERS.items():
            if question in only:
                answer(kinds, plan)
    return 0


def _allow_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _present(kinds: Kinds) -> Kinds:
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


def _show(title: str, columns: list[Column], measures: Mapping[str, Callable[[], Row]]) -> None:
    rows: dict[str, Row] = {}
    for name, measure in measures.items():
        try:
            rows[name] = measure()
        except CannotMeasure as why:
            print(why, file=sys.stderr)
    if rows:
        print(f"### {title}\n\n{table(columns, rows)}\n", flush=True)


# --- the questions -------------------------------------------------------------------------------------
def _fan_out(kinds: Kinds, plan: Plan) -> None:
    found: dict[str, FanOut] = {}

    def measure(kind: type[StreamPeer]) -> Row:
        with serving(kind, plan) as stage:
            found[kind.title] = one = fan_out(stage)
        latency = one.steady.latency_ms[1:]
        return [*latency, one.steady.cpu_percent, one.idle_percent, *one.peaks.values()]

    columns = [Column(f"1 Hz {title}", "ms") for title in ("p50", "p99", "max")]
    columns += [Column("CPU at 1 Hz", "%", 2), Column("CPU idle", "%", 2)]
    columns += [Column(f"peak, {ahead} ahead", "deliveries/s", 0) for ahead in (2, 8, 32)]
    _show(
        f"{plan.connections} streams, messages of 600 bytes",
        columns,
        {kind.title: partial(measure, kind) for kind in kinds},
    )
    columns = [Column("memory for each stream", "KiB"), Column("RSS", "MB")]
    columns += [
        Column(title, "") for title in ("threads", "files beside the sockets", "database connections")
    ]
    _show(
        f"What {plan.connections} streams take (before → with them)",
        columns,
        {title: partial(_room, one) for title, one in found.items()},
    )


def _room(one: FanOut) -> Row:
    database = None if one.database[0] is None else _change(*one.database)
    return [one.kib_each, one.rss_mb, _change(*one.threads), _change(*one.files), database]


def _change(before: int | None, after: int | None) -> str:
    return f"{before} → {after}"


def _herd(kinds: Kinds, plan: Plan) -> None:
    def measure(kind: type[StreamPeer]) -> Row:
        row: Row = []
        with serving(kind, plan, max(plan.herds)) as stage:
            for count in plan.herds:
                opened = herd(stage, count)
                row += [opened.seconds, opened.first_byte_ms[1], float(opened.opened)]
        return row

    columns = []
    for count in plan.herds:
        columns += [
            Column(f"{count}: the last one's first byte", "s", 2),
            Column("p50", "ms", 0),
            Column("opened", "", 0, ratio=False),
        ]
    _show(
        "Streams that come all at once",
        columns,
        {kind.title: partial(measure, kind) for kind in kinds},
    )


def _goodbye(kinds: Kinds, plan: Plan) -> None:
    if Medimgr not in kinds:
        return
    with serving(Medimgr, plan, notes_ends=True) as stage:

        def measure(how: str) -> Row:
            streams, rows = goodbyes(stage, how)
            return [percentile(streams, 50), max(streams), percentile(rows, 50), max(rows)]

        columns = [Column(title, "ms") for title in ("stream gone p50", "largest", "row gone p50", "largest")]
        ways = {how.upper(): partial(measure, how) for how in ("fin", "rst")}
        _show(f"A client goes away ({plan.goodbyes} of {plan.connections}, 10 ms apart)", columns, ways)


def _gzip(kinds: Kinds, plan: Plan) -> None:
    def measure(kind: type[StreamPeer], gzip: bool) -> Row:
        with (
            serving(kind, plan) as stage,
            stage.streams(plan.connections, gzip=gzip) as client,
            stage.publisher() as publisher,
        ):
            found = steady(stage, client, publisher, "status", _GZIP_RATE)
        return [found.bytes_each, found.cpu_percent, *found.latency_ms[1:3]]

    columns = [
        Column("on the wire", "bytes", 0),
        Column("CPU", "%", 2),
        Column("p50", "ms"),
        Column("p99", "ms"),
    ]
    ways = {
        f"{kind.title}, {'gzip' if gzip else 'plain'}": partial(measure, kind, gzip)
        for kind in kinds
        if issubclass(kind, Medimgr)
        for gzip in (False, True)
    }
    if ways:
        _show(
            f"A status of 50 services, {_GZIP_RATE:g} times a second, {plan.connections} streams",
            columns,
            ways,
        )


def _commit(kinds: Kinds, plan: Plan) -> None:
    def measure(url: str) -> Row:
        with (
            serving(Medimgr, plan, database_url=url) as stage,
            stage.streams(plan.connections) as client,
            stage.publisher() as publisher,
        ):
            return [*steady(stage, client, publisher, "600", _COMMIT_RATE).latency_ms]

    columns = [Column(title, "ms", ratio=False) for title in ("min", "p50", "p99", "max")]
    if Medimgr in kinds:
        with postgresql() as url:
            ways = {"SQLite": partial(measure, ""), "PostgreSQL": partial(measure, url)}
            _show(f"Published in another process → received by {plan.connections}", columns, ways)


def _stuck(kinds: Kinds, plan: Plan) -> None:
    def measure(kind: type[StreamPeer]) -> Row:
        with serving(kind, plan) as stage:
            one = stuck_clients(stage, _READERS, min(_STUCK_SECONDS, 4 * plan.seconds))
        ended = "not" if one.ended_seconds is None else one.ended_seconds
        return [one.grown_mib, one.buffered_mib, ended, one.p99_before, one.p99_during]

    columns = [
        Column("the process grew, for ten", "MiB"),
        Column("in the kernel, for each", "MiB"),
        Column("ended after", "s"),
        Column("the others' p99 before", "ms", ratio=False),
        Column("meanwhile", "ms", ratio=False),
    ]
    _show(
        f"Ten clients that never read, 0.8 MB a second, beside {_READERS} that do",
        columns,
        {kind.title: partial(measure, kind) for kind in kinds},
    )


_ANSWERS: dict[str, Callable[[Kinds, Plan], None]] = {
    "fanout": _fan_out,
    "herd": _herd,
    "goodbye": _goodbye,
    "gzip": _gzip,
    "commit": _commit,
    "stuck": _stuck,
}
