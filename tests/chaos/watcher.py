"""Looks at the processes of services all the time, from outside: never two runs of one service at once."""

import os
import threading
import time
from collections import defaultdict
from dataclasses import dataclass

from monitoring.supervisor.identity import (
    MARKER,
    MARKER_SERVICE,
    MARKER_SUPERVISOR,
    ProcEntry,
    read_environ,
    read_stat,
    variable,
)
from monitoring.supervisor.proctable import ProcTable

_PAUSE_SECONDS = 0.01
_YOUNG_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Seen:
    """A process of a service."""

    pid: int
    start_ticks: int
    service: str
    run_id: str
    leader: bool
    """It leads its session."""

    def lives(self) -> bool:
        """Return whether this very process still runs."""
        return _lives(read_stat(self.pid), self.start_ticks)


def _lives(entry: ProcEntry | None, start_ticks: int) -> bool:
    return entry is not None and entry.alive and entry.start_ticks == start_ticks


class Watcher:
    """A thread that samples from :meth:`start` to :meth:`stop`, for one supervisor's mark."""

    def __init__(self, mark: str) -> None:
        """``mark`` is the MEDIMGR_SUPERVISED_BY of the services to look at."""
        self._mark = mark
        self._known: dict[tuple[int, int], Seen | None] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)
        self.samples = 0
        self.doubled: list[str] = []
        """Each moment at which two runs of one service lived."""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, after the sample under way."""
        self._stop.set()
        self._thread.join(10)

    def processes(self) -> list[Seen]:
        """Return all processes of services that live now."""
        found = []
        table = ProcTable.read()
        known: dict[tuple[int, int], Seen | None] = {}
        # What has just been forked shows its parent's environment until it is another program.
        young = int((time.clock_gettime(time.CLOCK_BOOTTIME) - _YOUNG_SECONDS) * os.sysconf("SC_CLK_TCK"))
        for pid, entry in table.items():
            if not entry.alive:
                continue
            key = (pid, entry.start_ticks)
            seen = self._known[key] if key in self._known else self._look(pid, entry)
            if seen is not None or entry.start_ticks < young:
                known[key] = seen
            if seen is not None:
                found.append(seen)
        self._known = known
        return found

    def _look(self, pid: int, entry: ProcEntry) -> Seen | None:
        environ = read_environ(pid)
        run_id = variable(environ, MARKER) if environ else None
        if not environ or not run_id or variable(environ, MARKER_SUPERVISOR) != self._mark:
            return None
        service = variable(environ, MARKER_SERVICE) or ""
        return Seen(pid, entry.start_ticks, service, run_id, entry.session == pid)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._sample()
            self.samples += 1
            time.sleep(_PAUSE_SECONDS)

    def _sample(self) -> None:
        by_service: dict[str, list[Seen]] = defaultdict(list)
        for one in self.processes():
            by_service[one.service].append(one)
        for service, processes in by_service.items():
            if len({one.run_id for one in processes}) < 2:
                continue
            # A table is not read in one moment. What was seen before and is there after the others was
            # there beside them.
            left = [one for one in processes if one.lives()]
            left = [one for one in left if one.lives()]
            if len({one.run_id for one in left}) > 1:
                pids = ", ".join(f"pid {one.pid} of run {one.run_id[:8]}" for one in left)
                self.doubled.append(f"{service} at {time.strftime('%H:%M:%S')}: {pids}")
