"""Kills what is left of process trees, and says when nothing is: at most one pass over /proc for all of them.

A process that left its group and session is found by its parents or by the marker in its environment.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from monitoring.supervisor.identity import Identity
from monitoring.supervisor.process import kill_verified
from monitoring.supervisor.proctable import MarkerCache, ProcTable, assign

log = logging.getLogger(__name__)
FIRST_LOOK_SECONDS = 0.001
LAST_LOOK_SECONDS = 0.1
_TELL_AFTER = 60


@dataclass(slots=True)
class _Remains:
    identity: Identity
    ours: bool = False
    """We started it, so that whatever it left has become our child."""
    looks: int = 0
    only_kill: bool = False
    """The leader still lives and its exit will be seen; only its escaped children need a look."""


class Sweeper:
    """``gone`` is called with the key and run id once nothing of a run lives; ``later`` arms a timer."""

    def __init__(
        self,
        cache: MarkerCache,
        gone: Callable[[str, str], None],
        later: Callable[[float, Callable[[], None]], object],
        wake: Callable[[], None],
        orphans: Callable[[], Mapping[int, int]] | None = None,
    ) -> None:
        """``wake`` is called when a timer has made a look due; ``orphans`` returns the live processes that
        runs which we started have left behind, pid → start time in ticks, where that can be known.
        """
        self._orphans = orphans
        self._cache = cache
        self._gone = gone
        self._later = later
        self._wake = wake
        self._remains: dict[str, tuple[str, _Remains]] = {}
        self._armed = False
        self._blind = False
        self.due = False

    def sweep(self, key: str, identity: Identity, *, ours: bool) -> None:
        """Kill what is left of a run whose leader is gone, until nothing is. ``ours``: we started it."""
        self._remains[identity.run_id] = (key, _Remains(identity, ours and self._orphans is not None))
        self.due = True

    def kill(self, key: str, identity: Identity) -> None:
        """Kill every process of a run once, its leader included."""
        if identity.run_id not in self._remains:
            self._remains[identity.run_id] = (key, _Remains(identity, only_kill=True))
        self.due = True

    def look(self, living: dict[str, Identity]) -> None:
        """Look once for all runs that are being swept.

        ``living`` are the other runs: knowing their leaders spares reading their environments.
        """
        self.due = False
        try:
            self._forget_childless()
            if not self._remains:
                return
            wanted = {run_id: remains.identity for run_id, (_, remains) in self._remains.items()}
            table = ProcTable.read()
            found = assign(table, living | wanted, self._cache)
        except OSError as error:  # out of file descriptors: look again
            if not self._blind:
                log.warning("Cannot look at the processes (%s); trying again.", error)
            self._blind = True
            self._again(LAST_LOOK_SECONDS)
            return
        self._blind = False
        slowest = 0
        for run_id, (key, remains) in list(self._remains.items()):
            alive = [pid for pid in found[run_id] if table[pid].alive]
            for pid in alive:
                kill_verified(pid, table[pid].start_ticks)
            if remains.only_kill:
                del self._remains[run_id]
            elif not alive:
                del self._remains[run_id]
                self._gone(key, run_id)
            else:
                remains.looks += 1
                slowest = max(slowest, remains.looks)
                if remains.looks == _TELL_AFTER:
                    log.warning("%s: processes %s do not end after SIGKILL", key, sorted(alive))
        if self._remains:
            self._again(min(LAST_LOOK_SECONDS, FIRST_LOOK_SECONDS * 2.0 ** min(slowest, 10)))

    def _forget_childless(self) -> None:
        """Where no orphan can be of a run that we started, nothing is left of it: the usual, cheap case."""
        ours = [(key, remains.identity) for key, remains in self._remains.values() if remains.ours]
        if not ours or self._orphans is None:
            return
        orphans = self._orphans()
        for key, identity in ours:
            if not any(self._may_be_of(identity, orphan) for orphan in orphans.items()):
                del self._remains[identity.run_id]
                self._gone(key, identity.run_id)

    def _may_be_of(self, identity: Identity, orphan: tuple[int, int]) -> bool:
        """Whether an orphan (pid, start time) may belong to the run, as far as can be told without a look.

        None that is older than the run's main process, and none that is known to be of another run.
        """
        return orphan[1] >= identity.start_ticks and self._cache.get(orphan) in (None, "", identity.run_id)

    def _again(self, seconds: float) -> None:
        if not self._armed:
            self._armed = True
            self._later(seconds, self._timer)

    def _timer(self) -> None:
        self._armed = False
        self.due = True
        self._wake()
