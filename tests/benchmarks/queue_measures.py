"""How many operations that do nothing a queue gets through, and how long one takes to begin."""

import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from tests.benchmarks.beacons import CannotMeasure
from tests.benchmarks.operation_peers.queue_peer import Asker, QueuePeer

_LONG = 300.0
_WARM = 5
_IDLE_POLL_SECONDS = 0.005

P = TypeVar("P", bound=QueuePeer)


@contextmanager
def prepared(kind: type[P], database_url: str) -> Iterator[P]:
    """Yield a peer with its tables; whatever happens, nothing of it is left afterwards."""
    with tempfile.TemporaryDirectory(prefix="medimgr-bench-") as name:
        peer = kind(Path(name), database_url)
        try:
            peer.prepare()
            yield peer
        finally:
            peer.close()


def throughput(kind: type[QueuePeer], database_url: str, count: int) -> float:
    """Return how many a second end of ``count`` that wait when the worker starts.

    From the first handler's start until the table says that all have ended.
    """
    with prepared(kind, database_url) as peer:
        with Asker(peer) as asker:
            asker.many(count)
        peer.start(peer.worker())
        ended = _all_ended(peer, count)
        return (count - 1) / ((ended - min(peer.starts.at.values())) / 1e9)


def throughput_while_asked(kind: type[QueuePeer], database_url: str, count: int) -> tuple[float, float]:
    """Return how many a second end while one process asks, one after the other, and how many it asks for.

    The first from the first request until the table says that all have ended.
    """
    with prepared(kind, database_url) as peer, Asker(peer) as asker:
        peer.start(peer.worker())
        _warm_up(peer, asker)
        began = time.monotonic_ns()
        asker.each(count)
        asked = time.monotonic_ns()
        ended = _all_ended(peer, count + _WARM)
        return count / ((ended - began) / 1e9), count / ((asked - began) / 1e9)


def latency(kind: type[QueuePeer], database_url: str, samples: int) -> list[float]:
    """Return the milliseconds from before each request, in another process, to its handler's start."""
    with prepared(kind, database_url) as peer, Asker(peer) as asker:
        peer.start(peer.worker())
        _warm_up(peer, asker)
        chosen = random.Random(4)
        found = []
        for _ in range(samples):
            time.sleep(chosen.uniform(0.05, 0.15))
            found.append(_one(peer, asker))
        return found


def started(peer: QueuePeer, key: str) -> int:
    """Wait for the handler of ``key``; return when it began, in nanoseconds. Raises CannotMeasure."""
    if not peer.starts.wait(lambda at: key in at, 30.0):
        raise CannotMeasure(f"{peer.title}: operation {key} was not carried out. {peer.output()}")
    return peer.starts.at[key]


def _one(peer: QueuePeer, asker: Asker) -> float:
    key, began = asker.one()
    return (started(peer, key) - began) / 1e6


def _warm_up(peer: QueuePeer, asker: Asker) -> None:
    for _ in range(_WARM):
        _one(peer, asker)


def _all_ended(peer: QueuePeer, count: int) -> int:
    """Wait until ``count`` handlers have begun and nothing is left; return when that was, in nanoseconds."""
    if not peer.starts.wait(lambda at: len(at) >= count, _LONG):
        raise CannotMeasure(
            f"{peer.title}: {len(peer.starts.at)} of {count} were carried out. {peer.output()}"
        )
    end = time.monotonic() + _LONG
    while not peer.idle():
        if time.monotonic() > end:
            raise CannotMeasure(f"{peer.title}: not all of {count} have ended. {peer.output()}")
        time.sleep(_IDLE_POLL_SECONDS)
    return time.monotonic_ns()
