"""CPU and memory of whole process trees, for all services together, from one pass over ``/proc``."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from monitoring.supervisor.identity import Identity, ProcEntry
from monitoring.supervisor.proctable import MarkerCache, ProcTable, assign

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """What one run's process tree uses. 100 percent is one core kept busy."""

    cpu_percent: float
    memory_bytes: int
    """Resident memory, summed; what processes share is counted for each."""
    processes: int


@dataclass(slots=True)
class _Before:
    """What a run's tree had used at the last sample."""

    ticks: dict[tuple[int, int], int] = field(default_factory=dict)
    children: dict[tuple[int, int], int] = field(default_factory=dict)
    uncollected: int = 0
    """Ticks of processes that had gone without their parent having been seen to collect them."""


class Sampler:
    """Remembers the last sample, since CPU is a difference. Not shared between threads."""

    def __init__(self) -> None:
        self.cache = MarkerCache()
        """Which processes belong to which run; good for ``members`` too."""
        self._before: dict[str, _Before] = {}
        self._at = 0.0

    def sample(
        self, identities: Mapping[str, Identity], table: Mapping[int, ProcEntry] | None = None
    ) -> dict[str, Usage]:
        """Return the usage of every run in ``identities`` since the last call; CPU is 0.0 in the first.

        Forgets the runs that are not asked for. ``table`` spares the pass where there is a fresh one.
        """
        table = ProcTable.read() if table is None else table
        now = time.monotonic()
        elapsed, self._at = now - self._at, now
        after: dict[str, _Before] = {}
        usages: dict[str, Usage] = {}
        for key, pids in assign(table, identities, self.cache).items():
            run_id = identities[key].run_id
            before = self._before.get(run_id)
            after[run_id], used = _account(table, pids, before)
            percent = 0.0
            if before is not None and elapsed > 0:
                percent = 100.0 * used / _TICKS_PER_SECOND / elapsed
            live = [table[pid] for pid in pids if table[pid].alive]
            usages[key] = Usage(
                cpu_percent=round(min(percent, 100.0 * (os.cpu_count() or 1)), 1),
                memory_bytes=sum(entry.rss_bytes for entry in live),
                processes=len(live),
            )
        self._before = after
        return usages


def _account(table: Mapping[int, ProcEntry], pids: set[int], before: _Before | None) -> tuple[_Before, int]:
    """Return what to remember, and the ticks that the tree has used since ``before``.

    A child that came and went between two samples is seen in its parent's count of collected children
    only. That count also brings back what had been counted while the child lived, so that is taken off.
    """
    after = _Before()
    old = before or _Before()
    own = collected = 0
    for pid in pids:
        entry = table[pid]
        key = (pid, entry.start_ticks)
        after.ticks[key] = entry.cpu_ticks
        after.children[key] = entry.children_ticks
        # A process that was not there at the last sample has used all it has since then.
        own += max(0, entry.cpu_ticks - old.ticks.get(key, 0))
        collected += max(0, entry.children_ticks - old.children.get(key, 0))
    lost = sum(ticks + old.children[key] for key, ticks in old.ticks.items() if key not in after.ticks)
    after.uncollected = max(0, lost - collected)
    return after, own + max(0, collected - lost - old.uncollected)
