"""Durations counted by size. Cheap to count, and those of several processes add up."""

import itertools
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

BOUNDS_SECONDS = (
    0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5,
    1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip
"""The upper ends of the classes, close where streams are expected to be. Longer ones have a class too."""
_BEYOND = "inf"
_LABELS = tuple(map(repr, BOUNDS_SECONDS))


class Histogram:
    """How many durations fell into which class, and their sum in seconds."""

    __slots__ = ("counts", "seconds")

    def __init__(self, counts: Sequence[int] = (), seconds: float = 0.0) -> None:
        """Begin with these counts, one for each class; with none, at nothing."""
        self.counts = list(counts) or [0] * (len(BOUNDS_SECONDS) + 1)
        self.seconds = seconds

    def observe(self, seconds: float) -> None:
        """Count one duration. Less than nothing, as clocks of two machines make it, is nothing."""
        seconds = max(0.0, seconds)
        self.counts[bisect_left(BOUNDS_SECONDS, seconds)] += 1
        self.seconds += seconds

    @property
    def count(self) -> int:
        """Return how many durations were counted."""
        return sum(self.counts)

    def cumulated(self) -> list[tuple[str, float]]:
        """Return (upper end, how many up to it) for each class, as Prometheus wants it."""
        ends = [*_LABELS, "+Inf"]
        return list(zip(ends, map(float, itertools.accumulate(self.counts)), strict=True))

    def quantile(self, share: float) -> float | None:
        """Return the seconds that ``share`` (0 to 1) of the durations stayed within, None without any.

        Evenly spread within a class, so as exact as the classes are narrow. Beyond the last bound, that.
        """
        total = self.count
        if not total:
            return None
        wanted, seen, low = share * total, 0, 0.0
        for bound, count in zip(BOUNDS_SECONDS, self.counts, strict=False):
            if count and seen + count >= wanted:
                return low + (bound - low) * max(0.0, wanted - seen) / count
            seen, low = seen + count, bound
        return BOUNDS_SECONDS[-1]

    def stored(self) -> dict[str, Any]:
        """Return the classes that hold anything, by their upper end, and the sum: what goes into a row."""
        found = {label: n for label, n in zip((*_LABELS, _BEYOND), self.counts, strict=True) if n}
        return {"counts": found, "seconds": round(self.seconds, 6)}


def added_up(stored: Iterable[Mapping[str, Any]]) -> Histogram:
    """Return all of what :meth:`Histogram.stored` gave together.

    A release with other classes may have written them: a count goes to the first class that is not
    narrower. Raises nothing for what was never written.
    """
    together = Histogram()
    for one in stored:
        together.seconds += float(one.get("seconds", 0.0))
        for label, count in one.get("counts", {}).items():
            together.counts[bisect_left(BOUNDS_SECONDS, float(label))] += int(count)
    return together
