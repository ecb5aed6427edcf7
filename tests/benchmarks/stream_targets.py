"""What medimgr's streams are to reach, and whether they did."""

from collections.abc import Mapping

from tests.benchmarks import targets
from tests.benchmarks.targets import Target

TARGETS = (
    Target("p50", "latency at 1 Hz, p50", "ms", 6),
    Target("p99", "latency at 1 Hz, p99", "ms", 15),
    Target("medimgr: peak", "peak", "deliveries/s", 200_000, least=True),
    Target("medimgr, portable: peak", "peak of the portable way", "deliveries/s", 25_000, least=True),
    Target("cpu", "CPU at 1 Hz", "% of a core", 1.5),
    Target("memory", "memory for each stream, logged in", "KiB", 24),
    Target("rss", "the worker, with its streams", "MB", 125.8),
    Target("threads", "threads more than without streams", "", 8),
    Target("database", "database connections more", "", 0),
    Target("herd 1000", "1000 at once", "s", 1),
    Target("herd 5000", "5000 at once", "s", 5),
    Target("left out", "of those, not let in", "", 0),
    Target("stream gone", "FIN or RST → stream gone, p99", "ms", 5),
    Target("row gone", "FIN or RST → row gone, largest", "ms", 1000),
    Target("saved", "a 5 KB status: saved by gzip", "%", 80, least=True),
    Target("gzip cpu", "its CPU, of plain's", "×", 1.1),
    Target("commit SQLite", "published → received on SQLite, p99", "ms", 90),
    Target("commit PostgreSQL", "published → received on PostgreSQL, p99", "ms", 40),
    Target("held", "held for a client that never reads", "MiB", 2),
    Target("unended", "and not ended", "", 0),
    Target("others", "the others' p99 meanwhile, of before", "×", 1.2),
)
_RIVAL = "nginx + nchan: peak"


def reached_table(figures: Mapping[str, float]) -> str:
    """Return a Markdown table of what was found; empty where nothing of medimgr's was."""
    return targets.reached_table(figures, (*TARGETS, *_beside_nchan(figures)))


def _beside_nchan(figures: Mapping[str, float]) -> list[Target]:
    rival = figures.get(_RIVAL)
    if rival is None:
        return []
    return [Target("medimgr: peak", "peak, beside nchan in this run", "deliveries/s", rival, least=True)]
