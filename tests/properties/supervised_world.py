"""A supervisor's world without a supervisor: it carries the machine's effects out, and checks each one.

A process is a name in a set, a timer a number. What may never happen fails an assertion at once.
"""

from typing import Any

from monitoring.states import Hook
from monitoring.supervisor import happenings as happened
from monitoring.supervisor.machine import step
from monitoring.supervisor.situation import (
    ArmTimer,
    AskToStop,
    CancelHook,
    CancelTimer,
    Kill,
    Record,
    RunHook,
    Signal,
    Situation,
    Spawn,
    StartProbing,
    StopAsking,
    StopProbing,
    Sweep,
    Tell,
    Timer,
    UnwatchReady,
    WatchReady,
)
from monitoring.supervisor.spec import ServiceSpec


class World:
    """One service, its processes, its commands and the clock."""

    spec: ServiceSpec

    def begin(self) -> None:
        """Start with nothing."""
        self.situation = Situation()
        self.now = 0.0
        self.runs = 0
        self.leaders: set[str] = set()
        self.trees: set[str] = set()
        self.timers: dict[Timer, float] = {}
        self.probing: str = ""
        self.hook: tuple[str, Hook] | None = None
        self.asking = ""
        self.awaiting = ""

    def take(self, event: happened.Event, jitter: float = 0.0) -> None:
        before = self.situation
        self.situation, effects = step(before, event, self.spec, self.now, jitter)
        for effect in effects:
            self.carry_out(effect, before)

    def carry_out(self, effect: Any, before: Situation) -> None:
        if isinstance(effect, Spawn):
            assert not self.trees, "a process was started beside the rest of an earlier run"
            assert self.hook is None, "a process was started beside a hook"
            self.trees.add(effect.run_id)
            self.leaders.add(effect.run_id)
        elif isinstance(effect, Signal | Kill | Sweep):
            assert effect.run_id in (before.run_id, self.situation.run_id), "an effect for a stale run"
            assert effect.run_id, "an effect for no run"
            if isinstance(effect, Sweep):
                assert effect.run_id not in self.leaders, "swept while its leader lives"
                assert effect.run_id in self.trees, "swept although nothing is left"
        elif isinstance(effect, ArmTimer):
            self.timers[effect.timer] = effect.at
        elif isinstance(effect, CancelTimer):
            del self.timers[effect.timer]
        elif isinstance(effect, StartProbing):
            assert effect.run_id in self.leaders
            assert not self.probing, "two probes of one service"
            self.probing = effect.run_id
        elif isinstance(effect, StopProbing):
            assert self.probing
            self.probing = ""
        elif isinstance(effect, RunHook):
            assert self.hook is None, "two hooks of one service"
            if effect.hook in (Hook.PRE_START, Hook.POST_STOP):
                assert not self.trees, "a hook runs beside the process that it goes before or after"
            self.hook = (effect.run_id, effect.hook)
        elif isinstance(effect, CancelHook):
            assert self.hook == (effect.run_id, effect.hook)
            self.hook = None
        elif isinstance(effect, AskToStop):
            assert not self.asking
            assert effect.run_id in self.leaders
            self.asking = effect.run_id
        elif isinstance(effect, StopAsking):
            assert self.asking
            self.asking = ""
        elif isinstance(effect, WatchReady):
            assert not self.awaiting
            assert effect.run_id in self.leaders
            self.awaiting = effect.run_id
        elif isinstance(effect, UnwatchReady):
            assert self.awaiting
            self.awaiting = ""
        elif isinstance(effect, Tell):
            assert effect.detail
        else:
            assert isinstance(effect, Record)
            assert (effect.before, effect.after) == (before.state, self.situation.state)
