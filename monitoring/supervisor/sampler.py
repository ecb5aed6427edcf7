"""CPU and memory of whole process trees, for all services together, from one pass over ``/proc``."""

import os
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import is_
from typing import NamedTuple

from monitoring.supervisor.identity import Identity, ProcEntry
from monitoring.supervisor.proctable import KnownLines, MarkerCache, ProcTable, assign

WINDOW_SECONDS = 5.0
"""CPU is averaged over so long: ticks are 10 ms, so that one second shows nothing below 1.0 percent."""
_GRACE_SECONDS = 0.5
"""Samples do not come to the very second, and the window is not to lose one for that."""
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """What one run's process tree uses. 100 percent is one core kept busy."""

    cpu_percent: float
    """Over the last five seconds, or since its first sample."""
    memory_bytes: int
    """Resident memory, summed; what processes share is counted for each."""
    processes: int


@dataclass(slots=True)
class _Before:
    """What a run's tree had used at the last sample."""

    ticks: dict[tuple[int, int], tuple[int, int]]
    """(pid, start_ticks) → ticks of its own, ticks of children that it has collected."""
    uncollected: int
    """Ticks of processes that had gone without their parent having been seen to collect them."""


_NOTHING = _Before({}, 0)


class _Window(deque[tuple[float, int]]):
    """(monotonic seconds, ticks used since the first sample) of one run's last samples, oldest first."""

    def add(self, at: float, used: int) -> float:
        """Add a sample, with the ticks used since the last one; return the percentage of one core."""
        self.append((at, (self[-1][1] if self else 0) + used))
        while len(self) > 2 and at - self[0][0] > WINDOW_SECONDS + _GRACE_SECONDS:
            self.popleft()
        (since, before), (_, total) = self[0], self[-1]
        if total == before or at <= since:
            return 0.0
        return 100.0 * (total - before) / _TICKS_PER_SECOND / (at - since)

    @property
    def flat(self) -> bool:
        """Return whether nothing was used over a whole window."""
        (since, before), (at, total) = self[0], self[-1]
        return before == total and at - since >= WINDOW_SECONDS - _GRACE_SECONDS

    def pick_up(self, times: Iterable[float]) -> None:
        """Make up for samples that were left out since nothing was used: they were taken at ``times``."""
        total = self[-1][1]
        self.clear()
        self.extend((at, total) for at in times)


class _Quiet(NamedTuple):
    """A run that has used nothing for a whole window, and cannot have as long as its entries are the same."""

    entries: list[ProcEntry]
    usage: Usage


class Sampler:
    """Remembers the last samples, since CPU is a difference. Not shared between threads."""

    def __init__(self) -> None:
        self.cache = MarkerCache()
        """Which processes belong to which run; good for ``members`` too."""
        self._before: dict[str, _Before] = {}
        self._windows: dict[str, _Window] = {}
        self._quiet: dict[str, _Quiet] = {}
        self._known = KnownLines()
        self._identities: dict[str, Identity] = {}
        self._assigned: dict[str, set[int]] = {}
        self._settled = False
        self._times: deque[float] = deque()
        """When the last samples were taken, within one window."""

    def sample(
        self, identities: Mapping[str, Identity], table: Mapping[int, ProcEntry] | None = None
    ) -> dict[str, Usage]:
        """Return the usage of every run in ``identities``; CPU is 0.0 in its first sample.

        Forgets the runs that are not asked for. ``table`` spares the pass where there is a fresh one.
        """
        table = ProcTable.read(self._known) if table is None else table
        now = time.monotonic()
        after: dict[str, _Before] = {}
        windows: dict[str, _Window] = {}
        quiet: dict[str, _Quiet] = {}
        usages: dict[str, Usage] = {}
        most = 100.0 * (os.cpu_count() or 1)
        for key, pids in self._assign(table, identities).items():
            run_id = identities[key].run_id
            entries = [table[pid] for pid in pids]
            before = self._before.get(run_id)
            window = windows[run_id] = self._windows.get(run_id) or _Window()
            resting = self._quiet.get(run_id)
            if resting is not None and before is not None:
                if len(entries) == len(resting.entries) and all(map(is_, entries, resting.entries)):
                    # The usual case of a thousand services, so it is to cost next to nothing.
                    quiet[run_id], after[run_id], usages[key] = resting, before, resting.usage
                    continue
                window.pick_up(self._times)
            after[run_id], used = _account(table, pids, before or _NOTHING)
            # What it had used before its first sample was not used in any known time.
            percent = round(min(window.add(now, used if before is not None else 0), most), 1)
            live = [entry for entry in entries if entry.alive]
            usages[key] = Usage(percent, sum(entry.rss_bytes for entry in live), len(live))
            if window.flat:
                quiet[run_id] = _Quiet(entries, usages[key])
        self._before, self._windows, self._quiet = after, windows, quiet
        self._times.append(now)
        while now - self._times[0] > WINDOW_SECONDS + _GRACE_SECONDS:
            self._times.popleft()
        return usages

    def _assign(
        self, table: Mapping[int, ProcEntry], identities: Mapping[str, Identity]
    ) -> dict[str, set[int]]:
        """Return the pids of each run: those of the last sample where nothing can have changed about it."""
        same = (
            isinstance(table, ProcTable)
            and table.same_family
            and self._settled
            and self._identities == identities
        )
        if not same:
            self._assigned, self._identities = assign(table, identities, self.cache), dict(identities)
            self._settled = not self.cache.unsettled
        return self._assigned

    def processes(self, run_id: str) -> list[tuple[int, int]]:
        """Return (pid, start_ticks) of the run's processes at the last sample, none for one not sampled."""
        return list(self._before.get(run_id, _NOTHING).ticks)

    def cpu_seconds(self, run_id: str) -> float:
        """Return the CPU time that the run's tree has used since its first sample."""
        window = self._windows.get(run_id)
        return window[-1][1] / _TICKS_PER_SECOND if window else 0.0


def _account(table: Mapping[int, ProcEntry], pids: set[int], before: _Before) -> tuple[_Before, int]:
    """Return what to remember, and the ticks that the tree has used since ``before``.

    A child that came and went between two samples is seen in its parent's count of collected children
    only. That count also brings back what had been counted while the child lived, so that is taken off.
    """
    ticks = {(pid, (e := table[pid]).start_ticks): (e.cpu_ticks, e.children_ticks) for pid in pids}
    if ticks == before.ticks:
        return before if not before.uncollected else _Before(ticks, 0), 0
    own = collected = 0
    for process, (own_now, collected_now) in ticks.items():
        # A process that was not there at the last sample has used all it has since then.
        own_before, collected_before = before.ticks.get(process, (0, 0))
        own += max(0, own_now - own_before)
        collected += max(0, collected_now - collected_before)
    lost = sum(sum(had) for process, had in before.ticks.items() if process not in ticks)
    used = own + max(0, collected - lost - before.uncollected)
    return _Before(ticks, max(0, lost - collected)), used
