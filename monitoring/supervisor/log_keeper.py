"""Keeps the logs of a node in bounds while their services run: rotates, compresses, minds the budget.

The loop only hands over which logs there are; files are touched by two threads: one rotates, the other
compresses, so that a log that grows fast never waits for a compression.
"""

import asyncio
import contextlib
import errno
import heapq
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from monitoring.supervisor.log_budget import keep_within
from monitoring.supervisor.log_packing import pack_one
from monitoring.supervisor.log_rotation import rotate, settle
from monitoring.supervisor.log_words import note
from monitoring.supervisor.spec import ServiceSpec

log = logging.getLogger(__name__)

QUIET_SECONDS = 2.0
"""A log that hardly grows is looked at so often; one that grows, when it may have grown too large."""
_LEAST_SECONDS = 0.05
_RETRY_SECONDS = 10.0
_BUDGET_SECONDS = 30.0
_NICE = 10


@dataclass(frozen=True, slots=True)
class LogRule:
    """What is declared about one log file. ``run_id`` is that of the process writing it, empty for none."""

    path: Path
    max_bytes: int
    keep: int
    compress: bool
    run_id: str = ""


def rules_of(spec: ServiceSpec, run_id: str) -> tuple[LogRule, ...]:
    """Return the rules for a service's log, and for its stderr's where that is apart."""
    paths = dict.fromkeys((spec.log_path, spec.stderr_path))
    return tuple(LogRule(p, spec.log_max_bytes, spec.log_keep, spec.log_compress, run_id) for p in paths)


@dataclass(slots=True)
class _Watched:
    """What the thread remembers of one log."""

    rule: LogRule
    name: str
    size: int = 0
    """As it was at the time ``at``, without ``hole``."""
    hole: int = 0
    at: float = 0.0
    inode: int = 0
    seen_in: str = ""
    """The run in which the file was there."""
    removed: bool = False
    failed: str = ""
    due: float = 0.0
    settled: bool = False


@dataclass(slots=True)
class _Shared:
    """What both threads and the loop use, under one condition."""

    condition: threading.Condition = field(default_factory=threading.Condition)
    rules: dict[Path, LogRule] | None = None
    to_pack: dict[Path, None] = field(default_factory=dict)
    stopped: bool = False


class LogKeeper:
    """Made, started and closed on the loop's thread."""

    SECONDS = 1.0

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        directory: Path,
        services: Callable[[], Iterable[tuple[ServiceSpec, str]]],
        say: Callable[[str], None],
        budget: Callable[[], int] = lambda: 0,
    ) -> None:
        """``services`` are asked for once a second: each spec with the id of its live run, empty for none.

        ``say`` gets in words what is wrong with the logs, empty once nothing is; ``budget`` gives the bytes
        that all logs in ``directory`` may take. Both are called in a thread.
        """
        self._loop = loop
        self._directory = directory
        self._services = services
        self._say = say
        self._budget = budget
        self._handed: list[tuple[ServiceSpec, str]] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._shared = _Shared()
        self._locks: dict[Path, threading.Lock] = {}
        self._watched: dict[Path, _Watched] = {}
        self._queue: list[tuple[float, int, Path]] = []
        self._count = 0
        self._budget_problem = ""
        self._said = ""
        self._threads = [
            threading.Thread(target=self._keep_guarded, args=(work,), name=name, daemon=True)
            for name, work in (("log-rotation", self._rotate_all), ("log-packing", self._pack_all))
        ]

    # --- on the loop ----------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin."""
        self._tick()
        for thread in self._threads:
            thread.start()

    def close(self, timeout: float = 5.0) -> None:
        """End; waits for what is being done, ``timeout`` seconds at most. What is left half done is settled
        by the next keeper."""
        if self._timer is not None:
            self._timer.cancel()
        with self._shared.condition:
            self._shared.stopped = True
            self._shared.condition.notify_all()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(timeout)

    def _tick(self) -> None:
        self._timer = self._loop.call_later(self.SECONDS, self._tick)
        services = list(self._services())
        if services == self._handed:
            return
        self._handed = services
        rules = {rule.path: rule for spec, run_id in services for rule in rules_of(spec, run_id)}
        with self._shared.condition:
            self._shared.rules = rules
            self._shared.condition.notify_all()

    # --- in the threads -------------------------------------------------------------------------------

    def _keep_guarded(self, work: Callable[[], None]) -> None:
        while not self._shared.stopped:
            try:
                work()
            except Exception:  # logs have to be kept in bounds for as long as services write them
                log.exception("the logs of this node are not being kept in bounds; trying again")
                self._wait(_RETRY_SECONDS)

    def _wait(self, seconds: float) -> None:
        with self._shared.condition:
            self._shared.condition.wait_for(lambda: self._shared.stopped, seconds)

    def _lock(self, path: Path) -> threading.Lock:
        return self._locks.setdefault(path, threading.Lock())

    def _rotate_all(self) -> None:
        """Look at each log when it is due, for ever."""
        budget_due = 0.0
        while not self._shared.stopped:
            self._take_rules()
            now = time.monotonic()
            while self._queue and self._queue[0][0] <= now and not self._shared.stopped:
                due, _, path = heapq.heappop(self._queue)
                watched = self._watched.get(path)
                if watched is None or watched.due != due:
                    continue
                if self._look(watched):
                    budget_due = 0.0
                self._schedule(watched)
            if now >= budget_due:
                self._mind_budget()
                budget_due = now + _BUDGET_SECONDS
            self._tell()
            soonest = min(self._queue[0][0] if self._queue else budget_due, budget_due)
            with self._shared.condition:
                self._shared.condition.wait_for(
                    lambda: self._shared.stopped or self._shared.rules is not None,
                    max(0.0, soonest - time.monotonic()),
                )

    def _take_rules(self) -> None:
        with self._shared.condition:
            rules, self._shared.rules = self._shared.rules, None
        if rules is None:
            return
        for path in self._watched.keys() - rules.keys():
            del self._watched[path]
        for path, rule in rules.items():
            watched = self._watched.get(path)
            if watched is None:
                watched = self._watched[path] = _Watched(rule, str(path))
                self._schedule(watched)
            elif watched.rule != rule:
                new_run = watched.rule.run_id != rule.run_id
                watched.rule = rule
                watched.removed = watched.removed and not new_run
                watched.due = 0.0
                self._schedule(watched)

    def _schedule(self, watched: _Watched) -> None:
        if not watched.due:
            watched.due = time.monotonic()
        self._count += 1
        heapq.heappush(self._queue, (watched.due, self._count, watched.rule.path))

    def _look(self, watched: _Watched) -> bool:
        """Rotate one log if it is time to, and say when to look again; return whether it was rotated."""
        rule, now = watched.rule, time.monotonic()
        # Quiet logs all at the same moments: the thread wakes up once for a thousand of them.
        watched.due = (now // QUIET_SECONDS + 1) * QUIET_SECONDS
        try:
            if not watched.settled:
                with self._lock(rule.path):
                    watched.hole = settle(rule.path)
                watched.settled = True
                self._pack_soon(rule)
            status = os.stat(watched.name)
        except (FileNotFoundError, NotADirectoryError):
            self._missing(watched)
            return False
        except OSError as error:
            self._failed(watched, error)
            return False
        if watched.removed and status.st_ino != watched.inode:
            return False  # our own note; the service writes to the file that was removed
        watched.inode, watched.seen_in = status.st_ino, rule.run_id
        # Where the file system only punches holes, the size keeps growing; a smaller one was begun anew.
        size = status.st_size - (watched.hole if status.st_size >= watched.hole else 0)
        if size >= rule.max_bytes:
            try:
                with self._lock(rule.path):
                    done = rotate(rule.path, max_bytes=rule.max_bytes, keep=rule.keep)
            except OSError as error:
                self._failed(watched, error)
                return False
            if done is not None:
                watched.failed = ""
                watched.hole, watched.at = done.hole, 0.0
                watched.due = now + 2 * _LEAST_SECONDS
                self._pack_soon(rule)
                return True
        watched.failed = ""
        grown = (size - watched.size) / max(now - watched.at, 0.001) if watched.at else 0.0
        if grown > 0:
            # Half the way to its limit at this speed.
            soon = max(_LEAST_SECONDS, (rule.max_bytes - size) / grown / 2)
            watched.due = min(watched.due, now + soon)
        watched.size, watched.at = size, now
        return False

    def _missing(self, watched: _Watched) -> None:
        """The file is not there: say so once, where a service still writes to it."""
        rule = watched.rule
        if not rule.run_id or watched.seen_in != rule.run_id or watched.removed:
            return
        watched.removed = True
        log.warning("%s was removed while its service runs", rule.path)
        with contextlib.suppress(OSError):
            rule.path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        note(
            rule.path,
            "this log was removed while its service runs: what that writes goes with the removed file, "
            "and is lost, until it is restarted.",
            create=True,
        )

    def _failed(self, watched: _Watched, error: OSError) -> None:
        watched.due = time.monotonic() + _RETRY_SECONDS
        why = error.strerror or str(error)
        if watched.failed != why:
            watched.failed = why
            log.warning("%s cannot be rotated: %s", watched.rule.path, why)

    def _mind_budget(self) -> None:
        try:
            self._budget_problem = keep_within(
                self._directory, self._budget(), lambda name: self._lock(self._directory / name)
            )
        except OSError as error:
            log.warning("the log budget cannot be kept: %s", error)

    def _tell(self) -> None:
        removed = [w.rule.path.name for w in self._watched.values() if w.removed]
        failed = [(w.rule.path.name, w.failed) for w in self._watched.values() if w.failed]
        words = []
        if removed:
            words.append(
                f"{_named(removed)} was removed while its service runs: what it logs is lost until a restart."
            )
        if failed:
            words.append(f"{_named([name for name, _ in failed])} cannot be rotated: {failed[0][1]}.")
        if self._budget_problem:
            words.append(self._budget_problem)
        said = " ".join(words)
        if said != self._said:
            self._said = said
            self._say(said)

    # --- compressing ----------------------------------------------------------------------------------

    def _pack_soon(self, rule: LogRule) -> None:
        if not rule.compress:
            return
        with self._shared.condition:
            self._shared.to_pack[rule.path] = None
            self._shared.condition.notify_all()

    def _pack_all(self) -> None:
        with contextlib.suppress(OSError):  # of this thread alone
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        while not self._shared.stopped:
            path = self._next_to_pack()
            if path is None:
                return
            try:
                more = pack_one(path, self._lock(path), lambda: self._shared.stopped)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    log.warning("an archive of %s cannot be compressed: %s", path, error)
                continue
            if more:
                with self._shared.condition:
                    self._shared.to_pack[path] = None  # behind the others

    def _next_to_pack(self) -> Path | None:
        with self._shared.condition:
            self._shared.condition.wait_for(lambda: self._shared.stopped or self._shared.to_pack)
            path = None if self._shared.stopped else next(iter(self._shared.to_pack))
            if path is not None:
                del self._shared.to_pack[path]
            return path


def _named(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} (and {len(names) - 1} more)"
