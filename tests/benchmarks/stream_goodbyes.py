"""From a client that goes away to the end of its stream in the worker, and of its row in the database."""

import subprocess
import sys
import time

from tests.benchmarks.beacons import CannotMeasure
from tests.benchmarks.peers.medimgr_here import ROOT
from tests.benchmarks.stream_measures import Stage
from tests.benchmarks.stream_peers.medimgr_here import Medimgr

_APART_MS = 10
_GONE_SECONDS = 20.0


def goodbyes(stage: Stage, how: str) -> tuple[list[float], list[float]]:
    """Close streams by ``how`` (fin, rst); return milliseconds to the end of each stream and of each row.

    The streams go one after the other, and end so too: the first that ends belongs to the first that went.
    """
    peer, count = stage.peer, stage.plan.goodbyes
    if not isinstance(peer, Medimgr) or not peer.notes_ends:
        raise CannotMeasure("The ends of streams are written down by medimgr's worker alone.")
    with stage.streams(stage.plan.connections) as client:
        seen = len(_ends(peer))
        with subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.stream_peers.watch_rows"],
            cwd=ROOT,
            env=dict(peer.environment()),
            stdout=subprocess.PIPE,
            text=True,
        ) as watch:
            assert watch.stdout is not None
            before = int(watch.stdout.readline().split()[0])
            went = client.close_some(count, how, _APART_MS)
            rows: list[int] = []
            while len(rows) < count:
                left, at = map(int, watch.stdout.readline().split())
                rows += [at] * (before - left - len(rows))
            watch.terminate()
        end = time.monotonic() + _GONE_SECONDS
        while len(ended := _ends(peer)[seen:]) < count:
            if time.monotonic() > end:
                raise CannotMeasure(f"{len(ended)} of {count} streams ended. {peer.output()}")
            time.sleep(0.01)
    return _milliseconds(went, ended), _milliseconds(went, rows)


def _ends(peer: Medimgr) -> list[int]:
    return [int(line) for line in peer.ends.read_text().split()] if peer.ends.exists() else []


def _milliseconds(went: list[int], ended: list[int]) -> list[float]:
    return [(after - before) / 1e6 for before, after in zip(went, ended, strict=False)]
