"""What clients that never read cost: memory held for them, and the latency of everybody else."""

import shutil
import subprocess
import time
from dataclasses import dataclass

from tests.benchmarks.beacons import CannotMeasure
from tests.benchmarks.publisher import settle
from tests.benchmarks.stream_measures import Stage
from tests.benchmarks.table import percentile
from tests.benchmarks.usage import rss_mb

_KIND = "32000"
_PER_SECOND = 25.0
_STUCK = 10


@dataclass(frozen=True, slots=True)
class Stuck:
    """What became of clients that do not read."""

    grown_mib: float
    """By so much the server's process grew, at most, for ten of them."""
    buffered_mib: float
    """What the kernel held for the worst of them."""
    ended_seconds: float | None
    """Until the server had ended the last of them; None where it had not by the end."""
    p99_before: float
    p99_during: float


def stuck_clients(stage: Stage, readers: int, seconds: float) -> Stuck:
    """Send 0.8 MB a second to readers, then for at most ``seconds`` also to ten who never read."""
    plan, peer = stage.plan, stage.peer
    with stage.streams(readers) as client, stage.publisher() as publisher:

        def send(until: float, watch: bool) -> tuple[float, float]:
            """Return the largest socket buffer (bytes) and RSS (MB) on the way."""
            buffered = memory = 0.0
            while time.monotonic() < until:
                due = time.monotonic() + 1 / _PER_SECOND
                publisher.publish(1, _KIND)
                memory = max(memory, rss_mb(peer.pids()))
                if watch and publisher.last % 5 == 0:
                    buffered = max(buffered, _largest_buffer(peer.port))
                    if stuck.window().open == 0:
                        break
                time.sleep(max(0.0, due - time.monotonic()))
            return buffered, memory

        client.reset()
        _, resting = send(time.monotonic() + min(plan.seconds, 10.0), watch=False)
        settle(client, publisher)
        before = client.window()
        stage.published = publisher.last
        with stage.streams(_STUCK, stuck=True) as stuck:
            client.reset()
            began = time.monotonic()
            buffered, memory = send(began + seconds, watch=True)
            took = time.monotonic() - began
            ended = stuck.window().open == 0
            settle(client, publisher)
            during = client.window()
        if before.lost or during.lost or during.gone:
            raise CannotMeasure(f"{peer.title}: readers lost messages: {during}. {peer.output()}")
    grown = max(0.0, memory - resting) * 1e6
    return Stuck(
        grown / 2**20, buffered / 2**20, took if ended else None, before.latency_ms[2], during.latency_ms[2]
    )


def _largest_buffer(port: int) -> float:
    """Return the bytes that the kernel keeps for the connection of ``port`` that has the most to send."""
    program = shutil.which("ss")
    if program is None:
        raise CannotMeasure("The kernel's buffers are read with ss (apt-get install iproute2).")
    asked = [program, "--tcp", "--memory", "--numeric", "--no-header", f"sport = :{port}"]
    listed = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    sizes = [
        float(part[1:])
        for line in listed.splitlines()
        if "skmem:(" in line
        for part in line.partition("skmem:(")[2].split(")")[0].split(",")
        if part[0] == "w" and part[1:].isdigit()
    ]
    return percentile(sizes, 100) if sizes else 0.0
