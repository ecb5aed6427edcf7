"""What is measured of a server of streams, one function for each question."""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.benchmarks.beacons import CannotMeasure
from tests.benchmarks.load_client import Load, LoadClient, Opened
from tests.benchmarks.publisher import MessageLost, Publisher, at_a_rate, closed_loop, settle
from tests.benchmarks.stream_peers.peer import StreamPeer
from tests.benchmarks.table import median
from tests.benchmarks.usage import anonymous_mb, cpu_percent, cpu_seconds, open_files, rss_mb, threads

_PACED = 64
_CLOSED_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how much."""

    client: Path
    """The compiled load client."""
    connections: int = 1000
    seconds: float = 20.0
    """Of messages at a rate."""
    idle_seconds: float = 60.0
    peak_seconds: float = 5.0
    rounds: int = 3
    herds: tuple[int, ...] = (1000, 5000)
    goodbyes: int = 100
    server_cpu: int | None = None
    client_cpu: int | None = None


class Stage:
    """A running peer, and the streams that are opened to it."""

    def __init__(self, peer: StreamPeer, plan: Plan) -> None:
        """Take a peer that serves."""
        self.peer = peer
        self.plan = plan
        self.published = 0
        """The number of the newest message; the next publisher goes on from there."""

    def load(self, connections: int, **options: object) -> Load:
        """Return the opening of so many streams, all at once unless ``options`` say otherwise."""
        load = Load(
            port=self.peer.port,
            path=self.peer.path,
            connections=connections,
            cpu=self.plan.client_cpu,
            cookies=self.peer.cookies,
            next_number=self.published + 1,
        )
        return replace(load, **options)  # type: ignore[arg-type]

    @contextmanager
    def streams(self, connections: int, **options: object) -> Iterator[LoadClient]:
        """Open streams, a few at a time, and check that all came up; none is left afterwards."""
        options.setdefault("paced", _PACED)
        before = open_files(self.peer.pids()[-1])
        with LoadClient(self.plan.client, self.load(connections, **options)) as client:
            opened = client.opened()
            if opened.opened < connections:
                raise CannotMeasure(f"{self.peer.title}: {opened} of {connections}. {self.peer.output()}")
            yield client
        self.wait_until_closed(before)

    @contextmanager
    def publisher(self) -> Iterator[Publisher]:
        """Start a publisher that goes on counting."""
        with Publisher(self.peer, self.published + 1) as publisher:
            try:
                yield publisher
            finally:
                self.published = publisher.last

    def wait_until_closed(self, files: int) -> None:
        """Wait until the server has about as few descriptors open as before."""
        end = time.monotonic() + _CLOSED_SECONDS
        while open_files(self.peer.pids()[-1]) > files + 20 and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(0.3)  # what is left to tidy up is in no figure


@contextmanager
def serving(
    kind: type[StreamPeer], plan: Plan, connections: int = 0, **attributes: object
) -> Iterator[Stage]:
    """Run a peer, warm: everything that it loads at its first streams is there."""
    with tempfile.TemporaryDirectory(prefix="medimgr-bench-") as name:
        peer = kind(Path(name))
        for attribute, value in attributes.items():
            setattr(peer, attribute, value)
        peer.prepare(connections or plan.connections)
        try:
            peer.start(plan.server_cpu)
            stage = Stage(peer, plan)
            with stage.streams(20) as client, stage.publisher() as publisher:
                publisher.publish(1, "600")
                if not settle(client, publisher):
                    raise CannotMeasure(f"{peer.title}: the first message did not arrive. {peer.output()}")
            yield stage
        finally:
            peer.stop()


@dataclass(frozen=True, slots=True)
class FanOut:
    """One server with many streams: at rest, at one message a second, and as quick as it can."""

    steady: "Steady"
    idle_percent: float
    peaks: dict[int, float | str]
    """Messages outstanding → deliveries a second; words where some were lost."""
    kib_each: float
    rss_mb: float
    threads: tuple[int, int]
    """Before, and with the streams; so are the others."""
    files: tuple[int, int]
    database: tuple[int | None, int | None]


def fan_out(stage: Stage) -> FanOut:
    """Open the streams and measure it all."""
    peer, plan = stage.peer, stage.plan
    pids = peer.pids()
    memory, threads_before = anonymous_mb(pids), threads(pids)
    files_before, database_before = open_files(pids[-1]), peer.database_connections()
    with stage.streams(plan.connections) as client, stage.publisher() as publisher:
        time.sleep(1.0)  # the last greetings are out, and at rest is at rest
        each = (anonymous_mb(pids) - memory) * 1e6 / 1024 / plan.connections
        files = open_files(pids[-1]) - plan.connections
        standing = (rss_mb(pids), threads(pids), files, peer.database_connections())
        idle = cpu_percent(pids, plan.idle_seconds)
        rate = steady(stage, client, publisher)
        peaks = {outstanding: _peak(stage, client, publisher, outstanding) for outstanding in (2, 8, 32)}
    return FanOut(
        steady=rate,
        idle_percent=idle,
        peaks=peaks,
        kib_each=each,
        rss_mb=standing[0],
        threads=(threads_before, standing[1]),
        files=(files_before, standing[2]),
        database=(database_before, standing[3]),
    )


@dataclass(frozen=True, slots=True)
class Steady:
    """Messages at a rate, to all streams."""

    latency_ms: list[float]
    cpu_percent: float
    bytes_each: float
    """On the wire, for one message to one stream, framing included."""


def steady(
    stage: Stage, client: LoadClient, publisher: Publisher, kind: str = "600", per_second: float = 1.0
) -> Steady:
    """Publish for as long as planned. Raises CannotMeasure where a message was lost."""
    pids = stage.peer.pids()
    client.reset()
    used, began = cpu_seconds(pids), time.monotonic()
    at_a_rate(publisher, kind, per_second, stage.plan.seconds)
    cpu = 100.0 * (cpu_seconds(pids) - used) / (time.monotonic() - began)
    settled = settle(client, publisher)
    window = client.window()
    if not settled or window.lost or window.doubled:
        raise CannotMeasure(f"{stage.peer.title}: not every message arrived once: {window}")
    return Steady(window.latency_ms, cpu, window.bytes / window.deliveries)


def _peak(stage: Stage, client: LoadClient, publisher: Publisher, outstanding: int) -> float | str:
    """Return the better of both ways to acknowledge, where a server waits for acknowledgements."""
    found = []
    for at_once in (False, True) if stage.peer.waits_for_acknowledgements else (False,):
        client.acknowledge_at_once(at_once)
        rates = [_closed(stage, client, publisher, outstanding) for _ in range(stage.plan.rounds)]
        words = [rate for rate in rates if isinstance(rate, str)]
        if words:
            return words[0]
        found.append(median([rate for rate in rates if not isinstance(rate, str)]))
    client.acknowledge_at_once(False)
    return max(found)


def _closed(stage: Stage, client: LoadClient, publisher: Publisher, outstanding: int) -> float | str:
    client.reset()
    seconds = stage.plan.peak_seconds
    try:
        rate = closed_loop(client, publisher, outstanding=outstanding, kind="600", seconds=seconds)
    except MessageLost:
        window = client.window()
        return f"{window.lost} lost, {window.behind} streams behind"
    window = client.window()
    if window.lost or window.doubled:
        return f"{window.lost} lost, {window.doubled} doubled"
    return rate * stage.plan.connections


def herd(stage: Stage, count: int) -> Opened:
    """Open ``count`` streams at once; return the opening of median duration."""
    found = []
    before = open_files(stage.peer.pids()[-1])
    for _ in range(stage.plan.rounds):
        with LoadClient(stage.plan.client, stage.load(count)) as client:
            found.append(client.opened())
        stage.wait_until_closed(before)
    return sorted(found, key=lambda opened: (-opened.opened, opened.seconds))[len(found) // 2]


def cores() -> tuple[int | None, int | None]:
    """Return a core for the server and one for the load client; None where there are not two."""
    free = sorted(os.sched_getaffinity(0))
    return (free[0], free[1]) if len(free) > 1 else (None, None)
