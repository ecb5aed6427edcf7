"""Counts and durations by label that never fall, whoever restarts and whatever is purged.

Each is declared once, where it is counted. What has to be exact is added in the transaction of what it
counts; what happens often is gathered by the process (:mod:`medimgr.tallies.gathering`).
"""

import json
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db import connection, transaction

from medimgr.tallies.models import Tally

Added = dict[tuple[str, str], float]
"""(name, labels as they are stored) → by how much it grows."""
Kept = Mapping[str, Mapping[tuple[str, ...], float]]
"""All that was counted: name → values of the labels → number."""

_AT_A_TIME = 200
"""Rows of one INSERT: SQLite takes so many variables and no more."""
_BEYOND = "+Inf"


@dataclass(frozen=True, slots=True)
class Count:
    """How often something happened, by label. ``name`` as in Prometheus, without ``_total``."""

    name: str
    words: str
    labels: tuple[str, ...] = ()

    def grown(self, *values: str, by: float = 1.0) -> Added:
        """Return what :func:`add` takes: one more, or ``by``, under these values of the labels. Pure."""
        return {(self.name, _stored(values, self.labels)): by}


@dataclass(frozen=True, slots=True)
class Durations:
    """How long something took, by label, in classes. ``name`` as in Prometheus, ending in ``_seconds``."""

    name: str
    words: str
    labels: tuple[str, ...] = ()
    bounds: Sequence[float] = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)
    """The upper ends of the classes in seconds, ascending. Longer ones have a class too."""

    @property
    def sums(self) -> str:
        """Return the name under which the seconds are summed up."""
        return f"{self.name}_sum"

    def seen(self, seconds: float, *values: str) -> Added:
        """Return what :func:`add` takes for one duration; less than nothing, as clocks make it, is none."""
        seconds = max(0.0, seconds)
        place = bisect_left(self.bounds, seconds)
        end = repr(float(self.bounds[place])) if place < len(self.bounds) else _BEYOND
        own = _stored(values, self.labels)
        return {
            (self.name, _stored((*values, end), (*self.labels, "le"))): 1.0,
            (self.sums, own): seconds,
        }

    def cumulated(self, kept: Kept, values: tuple[str, ...]) -> tuple[list[tuple[str, float]], float]:
        """Return (upper end, how many up to it) for each class, and the sum of the seconds. Pure.

        What a release with other classes has counted goes to the first class that is not narrower.
        """
        counts = [0.0] * (len(self.bounds) + 1)
        for stored, count in kept.get(self.name, {}).items():
            if stored[:-1] == values:
                counts[bisect_left(self.bounds, float(stored[-1]))] += count
        total, buckets = 0.0, []
        for end, count in zip([*map(repr, map(float, self.bounds)), _BEYOND], counts, strict=True):
            total += count
            buckets.append((end, total))
        return buckets, kept.get(self.sums, {}).get(values, 0.0)


def _stored(values: Sequence[str], labels: Sequence[str]) -> str:
    if len(values) != len(labels):
        raise ValueError(f"{len(values)} values for the labels {', '.join(labels) or '(none)'}")
    return json.dumps([str(value) for value in values], ensure_ascii=False)


def together(several: Iterable[Added]) -> Added:
    """Return all of what they add. Pure."""
    result: defaultdict[tuple[str, str], float] = defaultdict(float)
    for one in several:
        for place, amount in one.items():
            result[place] += amount
    return dict(result)


def add(*several: Added) -> None:
    """Add to what is kept: one statement (for more than 200 numbers several), in the caller's transaction.

    Inside of one, call it after the rows that it counts and before the events about them are published: all
    take their locks in this order.
    """
    added = sorted(together(several).items())
    table = connection.ops.quote_name(Tally._meta.db_table)
    with transaction.atomic(savepoint=False):
        for start in range(0, len(added), _AT_A_TIME):
            some = added[start : start + _AT_A_TIME]
            marks = ", ".join(["(%s, %s, %s)"] * len(some))
            values = [value for (name, labels), amount in some for value in (name, labels, amount)]
            with connection.cursor() as cursor:
                # The table's name and the marks are ours; what is counted comes as values.
                cursor.execute(
                    f"INSERT INTO {table} (name, labels, value) VALUES {marks} "  # noqa: S608  # nosec B608
                    f"ON CONFLICT (name, labels) DO UPDATE SET value = {table}.value + excluded.value",
                    values,
                )


def kept() -> Kept:
    """Return all that was counted. One query, of a bounded number of rows."""
    found: defaultdict[str, dict[tuple[str, ...], float]] = defaultdict(dict)
    for name, labels, value in Tally.objects.values_list("name", "labels", "value"):
        found[name][tuple(json.loads(labels))] = value
    return found


def forget(count: Count, gone: Iterable[tuple[str, ...]]) -> int:
    """Delete what was counted under these values, what they name being gone; return how many. One query."""
    stored = [_stored(values, count.labels) for values in gone]
    return Tally.objects.filter(name=count.name, labels__in=stored).delete()[0] if stored else 0
