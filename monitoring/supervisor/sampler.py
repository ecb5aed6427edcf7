"""CPU and memory of whole process trees, for all services together, from one pass over ``/proc``."""

import os
import time
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from operator import is_

from monitoring.supervisor.identity import Identity, ProcEntry
from monitoring.supervisor.proc_passes import ProcPasses
from monitoring.supervisor.proctable import MarkerCache, assign

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


_NO_USAGE = Usage(0.0, 0, 0)


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


@dataclass(slots=True, eq=False)
class _Run:
    """What is kept of one run from sample to sample."""

    window: _Window = field(default_factory=_Window)
    before: _Before | None = None
    usage: Usage = _NO_USAGE
    resting: list[ProcEntry] | None = None
    """Its entries, where it has used nothing for a whole window: nor can it have while they are the same."""


class Sampler:
    """Remembers the last samples, since CPU is a difference. Not shared between threads."""

    def __init__(self) -> None:
        self.cache = MarkerCache()
        """Which processes belong to which run; good for ``members`` too."""
        self.looked_at: Collection[str] = ()
        """The keys whose usage may not be that of the sample before."""
        self._passes = ProcPasses()
        self._runs: dict[str, _Run] = {}
        self._usages: dict[str, Usage] = {}
        self._awake: set[str] = set()
        self._identities: dict[str, Identity] = {}
        self._assigned: dict[str, set[int]] = {}
        self._key_of: dict[int, str] = {}
        self._settled = False
        self._times: deque[float] = deque()
        """When the last samples were taken, within one window."""

    def sample(
        self, identities: Mapping[str, Identity], table: Mapping[int, ProcEntry] | None = None
    ) -> Mapping[str, Usage]:
        """Return the usage of every run in ``identities``; CPU is 0.0 in its first sample.

        Forgets the runs that are not asked for. ``table`` spares the pass where there is a fresh one. What
        is returned is brought up to date by the next sample. Raises OSError where files ran out.
        """
        passes = self._passes
        looked_at: Collection[str]
        if table is None:
            table = passes.read(len(identities))
            same = passes.same_family and self._settled
        else:
            same = False
        now = time.monotonic()
        if same and (self._identities is identities or self._identities == identities):
            # The usual case: a thousand services that mostly sleep are to cost next to nothing.
            key_of = self._key_of
            looked_at = self._awake | {key_of[pid] for pid in passes.changed if pid in key_of}
        else:
            self._assign(table, identities)
            looked_at = identities.keys()
        most = 100.0 * (os.cpu_count() or 1)
        for key in looked_at:
            self._usages[key] = self._look(key, table, now, most)
        self.looked_at = looked_at
        self._times.append(now)
        while now - self._times[0] > WINDOW_SECONDS + _GRACE_SECONDS:
            self._times.popleft()
        return self._usages

    def _assign(self, table: Mapping[int, ProcEntry], identities: Mapping[str, Identity]) -> None:
        """Find anew which processes belong to which run, and forget the runs that are not asked for."""
        self._settled = False
        self._assigned = assign(table, identities, self.cache)
        self._identities = dict(identities)
        self._key_of = {pid: key for key, pids in self._assigned.items() for pid in pids}
        self._runs = {one.run_id: self._runs.get(one.run_id) or _Run() for one in identities.values()}
        self._usages = {}
        self._awake = set()
        self._settled = not self.cache.unsettled

    def _look(self, key: str, table: Mapping[int, ProcEntry], now: float, most: float) -> Usage:
        run, pids = self._runs[self._identities[key].run_id], self._assigned[key]
        entries = [table[pid] for pid in pids]
        if run.resting is not None:
            if len(entries) == len(run.resting) and all(map(is_, entries, run.resting)):
                return run.usage
            run.window.pick_up(self._times)
        first = run.before is None
        run.before, used = _account(table, pids, run.before or _NOTHING)
        # What it had used before its first sample was not used in any known time.
        percent = round(min(run.window.add(now, 0 if first else used), most), 1)
        live = [entry for entry in entries if entry.alive]
        run.usage = Usage(percent, sum(entry.rss_bytes for entry in live), len(live))
        run.resting = entries if run.window.flat else None
        if run.resting is None:
            self._awake.add(key)
        else:
            self._awake.discard(key)
        return run.usage

    def close(self) -> None:
        """Close the files that are kept open from sample to sample."""
        self._passes.close()

    def processes(self, run_id: str) -> list[tuple[int, int]]:
        """Return (pid, start_ticks) of the run's processes at the last sample, none for one not sampled."""
        run = self._runs.get(run_id)
        return list(run.before.ticks) if run is not None and run.before is not None else []

    def cpu_seconds(self, run_id: str) -> float:
        """Return the CPU time that the run's tree has used since its first sample."""
        run = self._runs.get(run_id)
        return run.window[-1][1] / _TICKS_PER_SECOND if run is not None and run.window else 0.0


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
