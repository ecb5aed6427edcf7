"""The process that publishes a benchmark's messages, and the two ways to pace it."""

import random
import select
import subprocess
import time
from collections.abc import Callable

from tests.benchmarks.beacons import CannotMeasure
from tests.benchmarks.load_client import LoadClient
from tests.benchmarks.peers.medimgr_here import ROOT
from tests.benchmarks.stream_peers.peer import StreamPeer

_COMMIT_SECONDS = 30.0
_ARRIVAL_SECONDS = 15.0
"""A message that has not reached all streams by then is taken for lost."""


class MessageLost(CannotMeasure):
    """A message has not reached every stream."""


class Publisher:
    """One running publisher; use it as a context. Its messages are numbered from ``first``."""

    def __init__(self, peer: StreamPeer, first: int = 1) -> None:
        """Start it."""
        self.last = first - 1
        """The number of the newest message."""
        self._process = subprocess.Popen(
            peer.publisher(first),
            cwd=ROOT,
            env=dict(peer.environment()),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )

    def __enter__(self) -> "Publisher":
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def publish(self, count: int, kind: str) -> int:
        """Publish ``count`` messages at once and wait until they are; return the last one's number."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(f"{count} {kind}\n".encode())
        except BrokenPipeError:
            raise CannotMeasure("The publisher has ended; above is why.") from None
        if not select.select([self._process.stdout], [], [], _COMMIT_SECONDS)[0]:
            raise CannotMeasure(f"A message was not published within {_COMMIT_SECONDS:g} s.")
        answer = self._process.stdout.readline()
        if not answer.strip().isdigit():
            raise CannotMeasure("The publisher has ended; above is why.")
        self.last = int(answer)
        return self.last


def at_a_rate(publisher: Publisher, kind: str, per_second: float, seconds: float) -> None:
    """Publish at irregular intervals, so that nothing periodic is always met or always missed."""
    chosen = random.Random(3)
    end = time.monotonic() + seconds
    due = time.monotonic()
    while due < end:
        due += chosen.uniform(0.8, 1.2) / per_second
        time.sleep(max(0.0, due - time.monotonic()))
        publisher.publish(1, kind)


def settle(client: LoadClient, publisher: Publisher) -> bool:
    """Wait until the newest message has reached all streams; return whether it has."""
    while (done := client.completed(_ARRIVAL_SECONDS)) is not None:
        if done[0] >= publisher.last:
            return True
    return False


def closed_loop(
    client: LoadClient,
    publisher: Publisher,
    *,
    outstanding: int,
    kind: str,
    seconds: float,
    clock: Callable[[], int] = time.monotonic_ns,
) -> float:
    """Keep ``outstanding`` messages on the way; return how many a second reached all streams.

    Raises MessageLost where one does not arrive.
    """
    before = publisher.last
    began, arrived, at = clock(), before, 0
    end = began + seconds * 1e9
    publisher.publish(outstanding, kind)
    while arrived < publisher.last:
        done = client.completed(_ARRIVAL_SECONDS)
        if done is None:
            raise MessageLost(f"Message {arrived + 1} did not reach every stream.")
        arrived, at = max(arrived, done[0]), done[1]
        room = outstanding - (publisher.last - arrived)
        if room > 0 and clock() < end:
            publisher.publish(room, kind)
    return (arrived - before) / ((at - began) / 1e9)
