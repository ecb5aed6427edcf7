"""Probes the health of all services: one timer for all, a bounded number at once, one per service.

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

from monitoring.supervisor.probes import ProbeResult, probe
from monitoring.supervisor.spec import HealthCheck

AT_ONCE = 64
FIRST_SECONDS = 0.03
GROWTH = 1.5


@dataclass(slots=True, eq=False)
class _Probed:
    key: str
    run_id: str
    check: HealthCheck
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
    ) -> None:
        """Take the loop to run on; ``draw`` gives the jitter."""
        self._loop = loop
        self._answered = answered
        self._draw = draw
        self._probed: dict[str, _Probed] = {}
        self._heap: list[tuple[float, int, _Probed]] = []
        self._order = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self._running = 0
        self._queue: deque[_Probed] = deque()

    def start(self, key: str, run_id: str, check: HealthCheck, *, starting: bool) -> None:
        """Begin to probe; a probe of the same service that is under way is given up."""
        self.stop(key)
        one = _Probed(key, run_id, check, FIRST_SECONDS if starting else check.interval)
        self._probed[key] = one
        # One that was taken over is asked soon, too: nobody knows how it is.
        soon = FIRST_SECONDS if starting else self._draw(0.0, min(check.interval, 1.0))
        self._at(one, self._loop.time() + soon)

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
            if not one.stopped:
                self._queue.append(one)
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
        result = await probe(one.check)
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
