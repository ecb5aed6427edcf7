"""Whatever happens in whatever order, the supervisor's machine keeps its promises.

Scenario 1. The rules play operators, the clock and the kernel at random; ``World`` carries the effects out
as the supervisor would, and ``Promises`` looks at both after every single event.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from monitoring.states import HealthKind, Hook, Intent, ReadyKind, Reason, RestartPolicy, State
from monitoring.supervisor import happenings as happened
from monitoring.supervisor.machine import step
from monitoring.supervisor.policy import FLAPPING_STREAK
from monitoring.supervisor.situation import Situation, Spawn, Timer
from monitoring.supervisor.spec import HealthCheck, Readiness, ServiceSpec, StopRequest
from tests.properties.supervised_promises import Promises

SPEC = ServiceSpec(key="backend", name="Backend", command=("backend",), log_path=Path("backend.log"))
REQUESTS = [StopRequest(), StopRequest(url="http://localhost/stop"), StopRequest(command=("stop",))]
READINESS = [Readiness(), Readiness(ReadyKind.TCP, port=2), Readiness(ReadyKind.LOG, pattern="ready")]
TIMER_EVENTS: dict[Timer, type] = {timer: event for event, timer in happened.TIMERS.items()}


class Supervised(Promises, RuleBasedStateMachine):
    """One service, its operator, its processes and the clock."""

    @initialize(
        probed=st.booleans(),
        restart=st.sampled_from(RestartPolicy),
        max_failures=st.sampled_from([0, 2]),
        stop_timeout=st.sampled_from([0.0, 5.0]),
        request=st.sampled_from(REQUESTS),
        readiness=st.sampled_from(READINESS),
        hooks=st.sets(st.sampled_from(Hook)),
        schedule=st.sampled_from(["", "", "0 * * * *"]),
        fatal_retry=st.sampled_from([0.0, 3.0]),
    )
    def declare(
        self,
        probed: bool,
        restart: RestartPolicy,
        max_failures: int,
        stop_timeout: float,
        request: StopRequest,
        readiness: Readiness,
        hooks: set[Hook],
        schedule: str,
        fatal_retry: float,
    ) -> None:
        health = HealthCheck(kind=HealthKind.TCP, port=1, failures=2) if probed else HealthCheck()
        self.spec = replace(
            SPEC,
            health=health,
            restart=restart,
            max_failures=max_failures,
            stop_timeout=stop_timeout,
            stop_request=request,
            readiness=readiness,
            hooks=tuple((hook, (hook.value,)) for hook in Hook if hook in hooks),
            schedule=schedule,
            fatal_codes=frozenset({78}),
            fatal_retry=fatal_retry,
        )
        self.begin()
        self.was_changed = False

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
                happened.Due(),
            ]
        )
    )
    def something_else(self, event: happened.Event) -> None:
        self.take(event)
        if isinstance(event, happened.AutoRecovery):
            assert self.situation.auto_recovery is event.on

    @precondition(lambda self: self.situation.state is not State.STOPPED)
    @rule(
        probed=st.booleans(),
        differs=st.booleans(),
        readiness=st.sampled_from(READINESS),
        request=st.sampled_from(REQUESTS),
        hooks=st.booleans(),
        scheduled=st.booleans(),
    )
    def change_spec(
        self,
        probed: bool,
        differs: bool,
        readiness: Readiness,
        request: StopRequest,
        hooks: bool,
        scheduled: bool,
    ) -> None:
        self.spec = replace(
            self.spec,
            health=HealthCheck(kind=HealthKind.TCP, port=1, failures=2) if probed else HealthCheck(),
            readiness=readiness,
            stop_request=request,
            hooks=self.spec.hooks if hooks else (),
            schedule="0 * * * *" if scheduled else "",
        )
        self.was_changed = True
        self.take(happened.SpecChanged(differs))

    # --- the world ---

    @precondition(lambda self: self.situation.state is State.WAITING)
    @rule()
    def admit(self) -> None:
        self.runs += 1
        self.take(happened.Admitted(f"run-{self.runs}"))

    @rule(times=st.integers(1, 6), patient=st.booleans(), ok=st.booleans())
    def the_natural_next_thing_happens(self, times: int, patient: bool, ok: bool) -> None:
        """Without this the walk would seldom leave the doorstep."""
        for _ in range(times):
            self._next_thing(patient, ok)

    def _next_thing(self, patient: bool, ok: bool) -> None:
        s = self.situation
        if s.state is State.STOPPED:
            self.take(happened.Up())
        elif s.run_id in self.leaders and s.pid is None:
            self.take(happened.Spawned(s.run_id, 4711))
        elif self.trees and not self.leaders:
            self.tree_ends()
        elif self.hook and patient:
            self.hook_ends(ok)
        elif s.state is State.STOPPING and self.timers and not patient:
            self.time_passes(0.0)
        elif s.state is State.WAITING and not s.run_id:
            self.admit()
        elif self.awaiting:
            self.take(happened.Ready(self.awaiting))
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
            self.take(happened.SpawnFailed(run, fails, "no", fails == "command-not-found"))
        else:
            self.take(happened.Spawned(run, 4711))

    @precondition(lambda self: self.situation.pid is not None)
    @rule(code=st.sampled_from([1, 0, 78, None]), tree_too=st.booleans())
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

    @precondition(lambda self: self.hook)
    @rule(ok=st.booleans())
    def hook_ends(self, ok: bool) -> None:
        (run, hook), self.hook = self.hook, None  # type: ignore[misc]  # see the precondition
        self.take(happened.HookEnded(run, hook, ok, "" if ok else "exited with code 1"))

    @precondition(lambda self: self.asking)
    @rule(ok=st.booleans())
    def request_is_answered(self, ok: bool) -> None:
        run, self.asking = self.asking, ""
        self.take(happened.StopAsked(run, ok, "" if ok else "connection refused"))

    @precondition(lambda self: self.situation.pid is not None)
    @rule(
        event=st.sampled_from([happened.Ready, happened.Recycle, happened.AtLimit]),
        reason=st.sampled_from([Reason.MEMORY, Reason.MAX_AGE]),
    )
    def process_is_noticed(self, event: Any, reason: Reason) -> None:
        run = self.situation.run_id
        self.take(event(run) if event is happened.Ready else event(run, reason, "too much"))

    @precondition(lambda self: self.runs > 1)
    @rule(
        run=st.integers(0, 3),
        which=st.sampled_from([happened.TreeGone, happened.Exited, happened.HookEnded, happened.StopAsked]),
        hook=st.sampled_from(Hook),
    )
    def late_news(self, run: int, which: Any, hook: Hook) -> None:
        stale = f"run-{self.runs - run}"
        if stale == self.situation.run_id:
            return
        before = self.situation
        more: dict[type, tuple[Any, ...]] = {happened.HookEnded: (hook, True), happened.StopAsked: (True,)}
        self.take(which(stale, *more.get(which, ())))
        assert self.situation is before

    @precondition(lambda self: self.situation.run_id and not self.trees)
    @rule()
    def the_sweep_says_it_twice(self) -> None:
        before = self.situation
        self.take(happened.TreeGone(before.run_id))
        assert self.situation == before

    @rule(hook=st.sampled_from(Hook), ok=st.booleans())
    def news_of_a_hook_that_does_not_run(self, hook: Hook, ok: bool) -> None:
        if self.hook and self.hook[1] is hook:
            return
        before = self.situation
        self.take(happened.HookEnded(before.run_id, hook, ok))
        assert self.situation is before

    @rule(fresh=st.booleans())
    def the_supervisor_dies_and_the_next_takes_over(self, fresh: bool) -> None:
        """Its timers, probes and commands die with it; what the database and the journal hold remains."""
        old = self.situation
        written = self.trees or (self.hook and self.hook[1] is Hook.POST_STOP)
        self.timers.clear()
        self.probing = self.asking = self.awaiting = ""
        self.hook = None
        no_process = old.state is State.STARTING and old.pid is None
        self.situation = Situation(
            state=State.WAITING if no_process else old.state,
            intent=old.intent,
            reason=old.reason,
            detail=old.detail,
            cause=old.reason,
            restarts=old.restarts,
            auto_recovery=old.auto_recovery,
            held=not old.auto_recovery and old.state in (State.EXITED, State.FATAL),
            flapping=old.flapping,
            streak=FLAPPING_STREAK if old.flapping else 0,
            run_id=old.run_id if written else "",
        )
        if old.run_id in self.leaders:
            self.take(happened.Adopted(old.run_id, 4711, 1.0))
        elif written:
            self.trees.add(old.run_id)  # until the sweep has said that nothing is left
            self.take(happened.AdoptGone(old.run_id))
        elif self.situation.alive:
            self.take(happened.AdoptGone(""))
        self.take(happened.Boot(fresh))

    @precondition(lambda self: self.timers)
    @rule(jitter=st.floats(-1, 1))
    def time_passes(self, jitter: float) -> None:
        timer = min(self.timers, key=lambda name: self.timers[name])
        self.now = max(self.now, self.timers.pop(timer))
        event = TIMER_EVENTS[timer]
        about_a_run = issubclass(event, happened.ProcessEvent)
        self.take(event(self.situation.run_id) if about_a_run else event(), jitter)

    def teardown(self) -> None:
        """Wanted down, and the world plays along: it always ends STOPPED."""
        if not hasattr(self, "situation"):
            return
        self.take(happened.Down())
        for _ in range(12):
            if self.situation.state is State.STOPPED:
                break
            if self.situation.run_id in self.leaders and self.situation.pid is None:
                self.take(happened.Spawned(self.situation.run_id, 1))
            elif self.hook:
                self.hook_ends(False)
            elif self.asking:
                self.request_is_answered(False)
            elif self.situation.pid is not None:
                self.leaders.clear()
                self.take(happened.Exited(self.situation.run_id, 0))
            else:
                run = self.situation.run_id
                self.trees.clear()
                self.take(happened.TreeGone(run))
        assert self.situation.state is State.STOPPED
        assert not self.timers
        assert not self.probing + self.asking + self.awaiting


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
