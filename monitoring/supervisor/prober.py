"""Probes the health of all services: one timer for all, a bounded number at once, one per service.

Probes over the network have so many places; commands have those of their runner, so that commands which
hang keep no other probe waiting. The rest is answered at once.

Probes of services that are just starting are quick and frequent; later they keep the declared interval,
spread by jitter so that a thousand of them do not come together.
"""

import asyncio
import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from monitoring.states import HealthKind
from monitoring.supervisor.commands import CommandRunner
from monitoring.supervisor.name_lookup import NameLookup
from monitoring.supervisor.probes import Asked, ProbeResult, probe
from monitoring.supervisor.silence import LogSilence, NoticeSilence
from monitoring.supervisor.spec import HealthCheck, ServiceSpec

AT_ONCE = 64
"""Probes over the network."""
FIRST_SECONDS = 0.03
GROWTH = 1.5
_NETWORK = frozenset({HealthKind.HTTP, HealthKind.TCP})


@dataclass(slots=True, eq=False)
class _Probed:
    key: str
    run_id: str
    check: HealthCheck
    asked: Asked
    pause: float
    """The time to the next probe while it is starting; it grows up to the declared interval."""
    task: "asyncio.Task[None] | None" = None
    stopped: bool = False


class Prober:
    """``answered`` gets key, run id and result, and returns whether the service is still starting."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        answered: Callable[[str, str, ProbeResult], bool],
        draw: Callable[[float, float], float] = random.uniform,
        *,
        commands: CommandRunner,
        took: Callable[[HealthKind, bool, float], None] = lambda _kind, _ok, _seconds: None,
    ) -> None:
        """Take the loop to run on; ``draw`` gives the jitter, ``commands`` runs exec probes and no hooks.

        ``took`` is told of each probe: its kind, whether all was well, and its seconds.
        """
        self._loop = loop
        self._answered = answered
        self._draw = draw
        self._commands = commands
        self._took = took
        self._names = NameLookup(loop)
        self._probed: dict[str, _Probed] = {}
        self._heap: list[tuple[float, int, _Probed]] = []
        self._order = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self._running = 0
        self._queue: deque[_Probed] = deque()

    def start(self, key: str, run_id: str, check: HealthCheck, *, starting: bool, spec: ServiceSpec) -> None:
        """Begin to probe run ``run_id`` of ``spec`` by ``check``, which need not be the one that it declares.

        A probe of the same service that is under way is given up. A silence is counted from now on.
        """
        self.stop(key)
        asked = Asked(spec, run_id, self._commands, self._names, self._silence(check, spec))
        one = _Probed(key, run_id, check, asked, FIRST_SECONDS if starting else check.interval)
        self._probed[key] = one
        # One that was taken over is asked soon, too: nobody knows how it is.
        soon = FIRST_SECONDS if starting else self._draw(0.0, min(check.interval, 1.0))
        self._at(one, self._loop.time() + soon)

    def heard(self, key: str) -> None:
        """Take note that ``key`` has sent WATCHDOG=1; where it is not probed for that, this does nothing."""
        one = self._probed.get(key)
        if one is not None and isinstance(one.asked.silence, NoticeSilence):
            one.asked.silence.heard()

    def _silence(self, check: HealthCheck, spec: ServiceSpec) -> LogSilence | NoticeSilence | None:
        if check.kind is HealthKind.LOG:
            return LogSilence({spec.log_path, spec.stderr_path}, self._loop.time)
        return NoticeSilence(self._loop.time) if check.kind is HealthKind.NOTIFY else None

    def stop(self, key: str) -> None:
        """Stop probing ``key``, if it is probed."""
        one = self._probed.pop(key, None)
        if one is not None:
            one.stopped = True
            if one.task is not None:
                one.task.cancel()

    def _at(self, one: _Probed, when: float) -> None:
        heapq.heappush(self._heap, (when, next(self._order), one))
        self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            if self._heap and self._timer.when() <= self._heap[0][0]:
                return
            self._timer.cancel()
            self._timer = None
        if self._heap:
            self._timer = self._loop.call_at(self._heap[0][0], self._due)

    def _due(self) -> None:
        self._timer = None
        now = self._loop.time()
        while self._heap and self._heap[0][0] <= now + 0.001:
            one = heapq.heappop(self._heap)[2]
            if one.stopped:
                continue
            if one.check.kind in _NETWORK:
                self._queue.append(one)
            else:
                one.task = self._loop.create_task(self._one(one))
        self._launch()
        self._arm()

    def _launch(self) -> None:
        while self._queue and self._running < AT_ONCE:
            one = self._queue.popleft()
            if not one.stopped:
                self._running += 1
                one.task = self._loop.create_task(self._one(one))
                # Not in the task itself: one that is given up before its first step never gets to run.
                one.task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        del task
        self._running -= 1
        self._launch()

    async def _one(self, one: _Probed) -> None:
        began = self._loop.time()
        result = await probe(one.check, one.asked)
        self._took(one.check.kind, result.ok, self._loop.time() - began)
        one.task = None
        if self._probed.get(one.key) is not one:
            return
        starting = self._answered(one.key, one.run_id, result)
        if self._probed.get(one.key) is not one:
            return
        interval = one.check.interval
        if starting:
            one.pause = min(one.pause * GROWTH, interval)
            pause = one.pause
        else:
            one.pause = interval
            pause = interval * self._draw(0.9, 1.1)
        self._at(one, self._loop.time() + pause)
