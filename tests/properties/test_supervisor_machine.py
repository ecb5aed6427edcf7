"""Whatever happens in whatever order, the supervisor's machine keeps its promises.

The rules play operators, the clock and the kernel at random; ``World`` carries the effects out as the
supervisor would, and the invariants look at both after every single event.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from monitoring.states import LIVE, HealthKind, Intent, RestartPolicy, State
from monitoring.supervisor import happenings as happened
from monitoring.supervisor.machine import step
from monitoring.supervisor.situation import (
    ArmTimer,
    CancelTimer,
    Kill,
    Record,
    Signal,
    Situation,
    Spawn,
    StartProbing,
    StopProbing,
    Sweep,
    Timer,
)
from monitoring.supervisor.spec import HealthCheck, ServiceSpec

SPEC = ServiceSpec(key="backend", name="Backend", command=("backend",), log_path=Path("backend.log"))
TIMER_EVENTS: dict[Timer, type] = {timer: event for event, timer in happened.TIMERS.items()}


class Supervised(RuleBasedStateMachine):
    """One service, its operator, its processes and the clock."""

    @initialize(
        probed=st.booleans(),
        restart=st.sampled_from(RestartPolicy),
        max_failures=st.sampled_from([0, 2]),
        stop_timeout=st.sampled_from([0.0, 5.0]),
    )
    def declare(self, probed: bool, restart: RestartPolicy, max_failures: int, stop_timeout: float) -> None:
        health = HealthCheck(kind=HealthKind.TCP, port=1, failures=2) if probed else HealthCheck()
        self.spec = replace(
            SPEC, health=health, restart=restart, max_failures=max_failures, stop_timeout=stop_timeout
        )
        self.situation = Situation()
        self.now = 0.0
        self.runs = 0
        self.leaders: set[str] = set()
        self.trees: set[str] = set()
        self.timers: dict[Timer, float] = {}
        self.probing: str = ""
        self.pending: list[happened.Event] = []

    # --- what the supervisor does with effects ---

    def take(self, event: happened.Event, jitter: float = 0.0) -> None:
        before = self.situation
        self.situation, effects = step(before, event, self.spec, self.now, jitter)
        for effect in effects:
            self.carry_out(effect, before)

    def carry_out(self, effect: Any, before: Situation) -> None:
        if isinstance(effect, Spawn):
            assert not self.trees, "a process was started beside the rest of an earlier run"
            self.trees.add(effect.run_id)
            self.leaders.add(effect.run_id)
        elif isinstance(effect, Signal | Kill | Sweep):
            assert effect.run_id in (before.run_id, self.situation.run_id), "an effect for a stale run"
            assert effect.run_id, "an effect for no run"
            if isinstance(effect, Sweep):
                assert effect.run_id not in self.leaders, "swept while its leader lives"
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
        else:
            assert isinstance(effect, Record)
            assert (effect.before, effect.after) == (before.state, self.situation.state)

    # --- operators ---

    @precondition(lambda self: self.situation.state is not State.STOPPED)
    @rule(event=st.sampled_from([happened.Up(), happened.Restart()]))
    def wanted_up(self, event: happened.Event) -> None:
        self.take(event)
        assert self.situation.intent is Intent.UP

    @precondition(lambda self: self.situation.state is not State.STOPPED)
    @rule(force=st.booleans())
    def wanted_down(self, force: bool) -> None:
        self.take(happened.Down(force))
        assert self.situation.state in (State.STOPPED, State.STOPPING)

    @rule(
        event=st.sampled_from(
            [
                happened.AutoRecovery(on=True),
                happened.AutoRecovery(on=False),
                happened.Unstartable("cycle"),
                happened.Startable(),
                happened.Waits("b"),
                happened.Shutdown(),
                happened.Shutdown(force=True),
                happened.Boot(fresh=True),
                happened.Deleted(),
            ]
        )
    )
    def something_else(self, event: happened.Event) -> None:
        self.take(event)
        if isinstance(event, happened.AutoRecovery):
            assert self.situation.auto_recovery is event.on

    @precondition(lambda self: self.situation.state is not State.STOPPED)
    @rule(probed=st.booleans(), differs=st.booleans())
    def change_spec(self, probed: bool, differs: bool) -> None:
        health = HealthCheck(kind=HealthKind.TCP, port=1, failures=2) if probed else HealthCheck()
        self.spec = replace(self.spec, health=health)
        self.take(happened.SpecChanged(differs))

    # --- the world ---

    @precondition(lambda self: self.situation.state is State.WAITING)
    @rule()
    def admit(self) -> None:
        self.runs += 1
        self.take(happened.Admitted(f"run-{self.runs}"))

    @rule(times=st.integers(1, 6))
    def the_natural_next_thing_happens(self, times: int) -> None:
        """Without this the walk would seldom leave the doorstep."""
        for _ in range(times):
            self._next_thing()

    def _next_thing(self) -> None:
        s = self.situation
        if s.state is State.STOPPED:
            self.take(happened.Up())
        elif s.run_id in self.leaders and s.pid is None:
            self.take(happened.Spawned(s.run_id, 4711))
        elif self.trees and not self.leaders:
            self.tree_ends()
        elif s.state is State.WAITING:
            self.admit()
        elif s.state is State.STARTING and self.probing:
            self.take(happened.Probed(self.probing, ok=True))
        elif s.state in (State.RUNNING, State.STOPPING):
            self.exit(1, False)
        elif self.timers:
            self.time_passes(0.0)

    @precondition(lambda self: self.situation.run_id in self.leaders and self.situation.pid is None)
    @rule(fails=st.sampled_from(["", "spawn-failed", "port-busy", "command-not-found"]))
    def spawn_ends(self, fails: str) -> None:
        run = self.situation.run_id
        if fails:
            self.leaders.discard(run)
            self.trees.discard(run)
            self.take(happened.SpawnFailed(run, fails, "no"))
        else:
            self.take(happened.Spawned(run, 4711))

    @precondition(lambda self: self.situation.pid is not None)
    @rule(code=st.sampled_from([1, 0, None]), tree_too=st.booleans())
    def exit(self, code: int | None, tree_too: bool) -> None:
        run = self.situation.run_id
        self.leaders.discard(run)
        self.take(happened.Exited(run, code))
        if tree_too:
            self.tree_ends()

    @precondition(lambda self: self.trees and not self.leaders)
    @rule()
    def tree_ends(self) -> None:
        for run in list(self.trees):
            self.trees.discard(run)
            self.take(happened.TreeGone(run))

    @precondition(lambda self: self.probing)
    @rule(ok=st.booleans(), hung=st.booleans())
    def probe(self, ok: bool, hung: bool) -> None:
        self.take(happened.Probed(self.probing, ok, hung=hung and not ok, detail="" if ok else "bad"))

    @precondition(lambda self: self.runs > 1)
    @rule(run=st.integers(0, 3), which=st.sampled_from([happened.TreeGone, happened.Exited]))
    def late_news(self, run: int, which: Any) -> None:
        stale = f"run-{self.runs - run}"
        if stale == self.situation.run_id:
            return
        before = self.situation
        self.take(which(stale))
        assert self.situation is before

    @precondition(lambda self: self.timers)
    @rule(jitter=st.floats(-1, 1))
    def time_passes(self, jitter: float) -> None:
        timer = min(self.timers, key=lambda name: self.timers[name])
        self.now = max(self.now, self.timers.pop(timer))
        event = TIMER_EVENTS[timer]
        if event is happened.BackoffElapsed:
            self.take(event(), jitter)
        else:
            self.take(event(self.situation.run_id), jitter)

    # --- what always holds ---

    @invariant()
    def at_most_one_run_lives(self) -> None:
        assert len(self.trees) <= 1
        assert self.leaders <= self.trees
        if self.trees:
            assert self.situation.run_id in self.trees

    @invariant()
    def no_process_is_forgotten(self) -> None:
        if self.leaders:
            assert self.situation.state in LIVE
        if self.situation.state is State.STOPPED:
            assert not self.trees

    @invariant()
    def timers_never_leak(self) -> None:
        assert self.timers == dict(self.situation.timers)
        if self.situation.state in (State.STOPPED, State.EXITED, State.FATAL, State.WAITING):
            assert not self.timers

    @invariant()
    def probes_run_only_for_a_living_process(self) -> None:
        if self.probing:
            assert self.situation.state in (State.STARTING, State.RUNNING)
            assert self.probing in self.leaders

    @invariant()
    def a_failing_service_is_not_started_without_a_wait_for_ever(self) -> None:
        if self.situation.state is State.BACKOFF:
            assert self.timers.get(Timer.BACKOFF, 0) > self.now

    @invariant()
    def wanted_down_means_no_way_up(self) -> None:
        if self.situation.intent is Intent.DOWN:
            assert self.situation.state in (State.STOPPED, State.STOPPING)

    def teardown(self) -> None:
        """Wanted down, and the world plays along: it always ends STOPPED."""
        if not hasattr(self, "situation"):
            return
        self.take(happened.Down())
        for _ in range(10):
            if self.situation.state is State.STOPPED:
                break
            if self.situation.run_id in self.leaders and self.situation.pid is None:
                self.take(happened.Spawned(self.situation.run_id, 1))
            elif self.situation.pid is not None:
                self.leaders.clear()
                self.take(happened.Exited(self.situation.run_id, 0))
            else:
                run = self.situation.run_id
                self.trees.clear()
                self.take(happened.TreeGone(run))
        assert self.situation.state is State.STOPPED
        assert not self.timers
        assert not self.probing


def test_the_machine_keeps_its_promises_whatever_happens() -> None:
    """Scenario 1."""
    run_state_machine_as_test(
        Supervised, settings=settings(max_examples=300, stateful_step_count=30, deadline=None)
    )


def test_twenty_restarts_in_a_row_leave_one_instance() -> None:
    situation, now, spawns = Situation(), 0.0, []
    events: list[happened.Event] = [happened.Up(), happened.Admitted("run-0"), happened.Spawned("run-0", 1)]
    events += [happened.Restart() for _ in range(20)]
    events += [happened.Exited("run-0", 0), happened.TreeGone("run-0")]
    events += [happened.Admitted(f"run-{n}") for n in range(1, 20)]
    for event in events:
        situation, effects = step(situation, event, SPEC, now)
        spawns += [effect for effect in effects if isinstance(effect, Spawn)]
    assert spawns == [Spawn("run-0"), Spawn("run-1")]
    assert situation.state is State.STARTING
