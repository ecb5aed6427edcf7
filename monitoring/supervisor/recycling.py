"""Replaces runs that are at a limit: memory, CPU, age, or requests served.

Looks once a second, right after all trees have been measured, and only at services that have limits. A
limit that a sum of resident memory seems to pass is confirmed first by what the kernel says when shared
memory is counted once. Whoever stands in for it in its group has to be ready before it goes; until then,
and where auto-recovery is off, it says so and goes on.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from monitoring.states import Reason, State
from monitoring.supervisor import happenings as happened
from monitoring.supervisor import limits, rolling
from monitoring.supervisor.adoption import age
from monitoring.supervisor.entry import Entry
from monitoring.supervisor.sampler import Sampler, Usage
from monitoring.supervisor.tree_memory import Pid, shared_counted_once

log = logging.getLogger(__name__)

CONFIRM_SECONDS = 3.0
"""The kernel is asked about the memory of one service no more often than this."""
SAY_SECONDS = 30.0
"""What a run waits for is told anew at most so often while only its figures change."""


@dataclass(slots=True, eq=False)
class _Run:
    """What is kept of one run of a service with limits."""

    run_id: str
    started_at: float
    cpu: limits.CpuAverage
    requests: int = 0
    private_bytes: int | None = None
    asked_at: float = float("-inf")
    asking: bool = False
    told: tuple[Reason, str] | None = None
    told_at: float = float("-inf")


@dataclass(slots=True)
class Recycling:
    """On the loop's thread. ``feed`` gives an event to a service."""

    entries: Mapping[str, Entry]
    loop: asyncio.AbstractEventLoop
    feed: Callable[[Entry, happened.Event], None]
    _runs: dict[str, _Run] = field(default_factory=dict)
    _confirming: set["asyncio.Future[int]"] = field(default_factory=set)
    closed: bool = False
    """The supervisor is stopping: nothing is replaced any more."""

    def look(self, usage: Mapping[str, Usage], sampler: Sampler) -> None:
        """Replace what has to be; ``usage`` is of this second, by the keys of services."""
        if self.closed:
            return
        now = self.loop.time()
        limited = [
            entry for key in usage if (entry := self.entries.get(key)) is not None and entry.spec.limits.some
        ]
        for entry in limited:
            # One that was replaced a moment ago makes the others of its group wait: look anew at each.
            if entry.state is State.RUNNING and entry.identity is not None:
                self._look_at(entry, usage[entry.key], sampler, now)
        for key in self._runs.keys() - {entry.key for entry in limited}:
            self._forget(key, now)

    def served(self, key: str, requests: int) -> None:
        """Take the number of requests that a service says it has served.

        What comes while it is not RUNNING is passed over: it may be the last word of the run before.
        """
        entry = self.entries.get(key)
        if entry is not None and entry.state is State.RUNNING and entry.spec.limits.requests:
            self._run(entry, self.loop.time()).requests = requests

    def _run(self, entry: Entry, now: float) -> _Run:
        run = self._runs.get(entry.key)
        if run is None or run.run_id != entry.situation.run_id:
            started_at = now - (age(entry.identity) if entry.identity is not None else 0.0)
            average = limits.CpuAverage(entry.spec.limits.cpu_seconds)
            run = self._runs[entry.key] = _Run(entry.situation.run_id, started_at, average)
        if run.cpu.seconds != entry.spec.limits.cpu_seconds:
            run.cpu = limits.CpuAverage(entry.spec.limits.cpu_seconds)
        return run

    def _forget(self, key: str, now: float) -> None:
        """Nothing of it lives, or it has no limits any more."""
        run, entry = self._runs.pop(key), self.entries.get(key)
        if entry is not None:
            self._say(entry, run, Reason.NONE, "", "", now)

    def _look_at(self, entry: Entry, used: Usage, sampler: Sampler, now: float) -> None:
        spec, run = entry.spec, self._run(entry, now)
        use = limits.Use(
            age=now - run.started_at,
            memory_bytes=used.memory_bytes,
            private_bytes=run.private_bytes,
            cpu_percent=run.cpu.add(now, sampler.cpu_seconds(run.run_id))
            if spec.limits.cpu_percent
            else None,
            requests=run.requests,
        )
        if not limits.suspects_memory(spec.limits, use):
            run.private_bytes = None
        elif not run.asking and now - run.asked_at >= CONFIRM_SECONDS:
            self._confirm(entry, run, sampler.processes(run.run_id), now)
        found = limits.excess(spec.limits, use, run.run_id)
        if found is None:
            self._say(entry, run, Reason.NONE, "", "", now)
            return
        self._replace(entry, run, found, use, now)

    def _replace(self, entry: Entry, run: _Run, found: limits.Excess, use: limits.Use, now: float) -> None:
        why = self._not_now(entry, found, use)
        if why:
            self._say(entry, run, found.reason, f"{found.detail}; {why}", why, now)
            return
        log.info("%s: %s, and is replaced", entry.key, found.detail)
        self.feed(entry, happened.Recycle(run.run_id, found.reason, found.detail))

    def _not_now(self, entry: Entry, found: limits.Excess, use: limits.Use) -> str:
        """Return in words why the run is not replaced now, empty where it may be."""
        if not entry.situation.auto_recovery:
            return "it is not restarted, since auto-recovery is off"
        early = limits.seconds_too_early(found, entry.situation.cause, use.age, entry.spec.stable_seconds)
        if early > 0:
            return "it was restarted for such a thing just before, so the next restart waits for a while"
        rest = [rolling.member(other) for other in rolling.others(entry, self.entries.values())]
        leave = rolling.may_replace(rolling.member(entry), rest)
        return "" if leave.granted else f"waits for its turn: {leave.why}"

    def _say(self, entry: Entry, run: _Run, reason: Reason, detail: str, gist: str, now: float) -> None:
        """Have the service show ``detail``; its figures change every second, ``gist`` does not."""
        if run.told is None and not detail:
            return
        if run.told == (reason, gist) and now - run.told_at < SAY_SECONDS:
            return
        run.told, run.told_at = ((reason, gist) if detail else None), now
        self.feed(entry, happened.AtLimit(run.run_id, reason, detail))

    # --- memory that is shared ---------------------------------------------------------------------

    def _confirm(self, entry: Entry, run: _Run, processes: list[Pid], now: float) -> None:
        run.asked_at, run.asking = now, True
        asked = self.loop.run_in_executor(None, shared_counted_once, processes)
        self._confirming.add(asked)

        def answered(answer: "asyncio.Future[int]") -> None:
            self._confirming.discard(answer)
            run.asking = False
            if answer.cancelled() or self._runs.get(entry.key) is not run:
                return
            if error := answer.exception():
                log.warning("%s: its memory cannot be looked at: %s", entry.key, error)
                return
            run.private_bytes = answer.result()

        asked.add_done_callback(answered)
