"""Services that run by the clock, by the supervisor's state machine."""

from dataclasses import replace

import pytest

from monitoring.states import HealthKind, Intent, Reason, RestartPolicy, State
from monitoring.supervisor import happenings as happened
from monitoring.supervisor.situation import Situation, Spawn, Tell
from monitoring.supervisor.spec import HealthCheck
from tests.monitoring.situations import NOW, RUN, SITUATIONS, SPEC, run, running

NIGHTLY = replace(SPEC, schedule="30 2 * * *")
ARMED = Situation(state=State.EXITED, intent=Intent.UP, reason=Reason.SCHEDULE, cause=Reason.SCHEDULE)


def test_wanted_up_means_by_its_schedule() -> None:
    after, effects = run(SITUATIONS[State.STOPPED], happened.Up(), spec=NIGHTLY)
    assert (after.state, after.intent, after.reason) == (State.EXITED, Intent.UP, Reason.SCHEDULE)
    assert effects == []


@pytest.mark.parametrize("fresh", [True, False])
def test_a_supervisor_that_starts_does_not_run_it(fresh: bool) -> None:
    stopped = replace(SITUATIONS[State.STOPPED], intent=Intent.UP, reason=Reason.SHUTDOWN)
    assert run(stopped, happened.Boot(fresh), spec=NIGHTLY)[0].state is State.EXITED
    completed = replace(ARMED, reason=Reason.COMPLETED)
    assert run(completed, happened.Boot(fresh), spec=NIGHTLY) == (completed, [])
    down = SITUATIONS[State.STOPPED]
    assert run(down, happened.Boot(fresh), spec=NIGHTLY) == (down, [])


def test_it_is_started_when_it_is_due() -> None:
    waiting, _ = run(ARMED, happened.Due(), spec=NIGHTLY)
    assert (waiting.state, waiting.reason) == (State.WAITING, Reason.SCHEDULE)
    started, effects = run(waiting, happened.Admitted(RUN), spec=NIGHTLY)
    assert effects == [Spawn(RUN)]
    assert (started.reason, started.restarts) == (Reason.SCHEDULE, 0)


def test_it_is_not_started_when_it_is_wanted_down_or_has_no_schedule_any_more() -> None:
    stopped = SITUATIONS[State.STOPPED]
    assert run(stopped, happened.Due(), spec=NIGHTLY) == (stopped, [])
    assert run(ARMED, happened.Due(), spec=SPEC) == (ARMED, [])


@pytest.mark.parametrize("state", [State.WAITING, State.STARTING, State.RUNNING])
def test_a_time_that_comes_before_the_last_run_has_ended_is_skipped_and_told(state: State) -> None:
    situation = SITUATIONS[state]
    after, effects = run(situation, happened.Due(), spec=NIGHTLY)
    assert after is situation
    (tell,) = effects
    assert isinstance(tell, Tell)
    assert (tell.reason, "skipped" in tell.detail) == (Reason.SCHEDULE, True)


def test_a_time_that_comes_while_it_is_being_stopped_is_skipped_and_not_told() -> None:
    stopping, _ = run(running(), happened.Down(), spec=NIGHTLY)
    assert run(stopping, happened.Due(), spec=NIGHTLY) == (stopping, [])


def test_what_is_left_of_the_last_run_goes_first() -> None:
    ended, _ = run(running(), happened.Exited(RUN, 0), spec=NIGHTLY)
    due, _ = run(ended, happened.Due(), spec=NIGHTLY)
    assert (due.state, due.run_id) == (State.WAITING, RUN)
    assert run(due, happened.Admitted("run-2"), spec=NIGHTLY) == (due, [])
    free, _ = run(due, happened.TreeGone(RUN), spec=NIGHTLY)
    assert run(free, happened.Admitted("run-2"), spec=NIGHTLY)[1] == [Spawn("run-2")]


@pytest.mark.parametrize("policy", RestartPolicy)
@pytest.mark.parametrize(("code", "reason"), [(0, Reason.COMPLETED), (1, Reason.CRASH)])
def test_after_a_run_it_waits_for_its_time_however_that_ended(
    policy: RestartPolicy, code: int, reason: Reason
) -> None:
    spec = replace(NIGHTLY, restart=policy, max_failures=1)
    after, _ = run(running(), happened.Exited(RUN, code), happened.TreeGone(RUN), spec=spec)
    assert (after.state, after.reason, after.auto_recovery) == (State.EXITED, reason, True)


def test_runs_that_succeed_are_no_flapping_and_runs_that_fail_in_a_row_are() -> None:
    for code, flapping in ((0, False), (1, True)):
        situation = ARMED
        for _ in range(3):
            situation, _ = run(
                situation,
                happened.Due(),
                happened.Admitted(RUN),
                happened.Spawned(RUN, 4711),
                happened.Exited(RUN, code),
                happened.TreeGone(RUN),
                spec=NIGHTLY,
            )
        assert situation.flapping is flapping


@pytest.mark.parametrize(("hopeless", "state"), [(False, State.EXITED), (True, State.FATAL)])
def test_a_start_that_fails_is_not_tried_before_the_next_time(hopeless: bool, state: State) -> None:
    starting = replace(SITUATIONS[State.STARTING], pid=None, timers=())
    after, _ = run(starting, happened.SpawnFailed(RUN, "any", "no", hopeless), spec=NIGHTLY)
    assert (after.state, after.reason) == (state, Reason.SPAWN_ERROR)
    assert run(after, happened.Due(), spec=NIGHTLY)[0].state is State.WAITING


def test_what_was_given_up_for_its_exit_code_stays_so_when_its_time_comes() -> None:
    spec = replace(NIGHTLY, fatal_codes=frozenset({78}))
    fatal, _ = run(running(), happened.Exited(RUN, 78), happened.TreeGone(RUN), spec=spec)
    after, effects = run(fatal, happened.Due(), spec=spec)
    assert after is fatal
    assert isinstance(effects[0], Tell)


def test_a_run_that_is_unhealthy_or_at_a_limit_is_ended_and_waits_for_its_time() -> None:
    check = HealthCheck(HealthKind.TCP, port=1, failures=1)
    spec = replace(NIGHTLY, health=check)
    for event, reason in (
        (happened.Recycle(RUN, Reason.MAX_AGE, "too old"), Reason.MAX_AGE),
        (happened.Probed(RUN, ok=False, detail="refused"), Reason.UNHEALTHY),
    ):
        stopping, _ = run(running(probing=check), event, spec=spec)
        assert stopping.state is State.STOPPING
        after, _ = run(stopping, happened.Exited(RUN, signal="SIGTERM"), happened.TreeGone(RUN), spec=spec)
        assert (after.state, after.reason) == (State.EXITED, reason)


def test_a_restart_runs_it_now() -> None:
    after, _ = run(ARMED, happened.Restart(), spec=NIGHTLY)
    assert (after.state, after.reason) == (State.WAITING, Reason.OPERATOR)
    stopping, _ = run(running(), happened.Restart(), spec=NIGHTLY)
    again, _ = run(stopping, happened.Exited(RUN, 0), happened.TreeGone(RUN), spec=NIGHTLY)
    assert again.state is State.WAITING


def test_an_up_while_it_stops_has_it_wait_for_its_time() -> None:
    stopping, _ = run(running(), happened.Down(), happened.Up(), spec=NIGHTLY)
    after, _ = run(stopping, happened.Exited(RUN, 0), happened.TreeGone(RUN), spec=NIGHTLY)
    assert (after.state, after.intent) == (State.EXITED, Intent.UP)


def test_without_its_schedule_it_is_started_like_any_other() -> None:
    after, _ = run(ARMED, happened.SpecChanged(process_differs=True), spec=SPEC)
    assert (after.state, after.reason) == (State.WAITING, Reason.CONFIG)
    completed = replace(ARMED, reason=Reason.COMPLETED)
    assert run(completed, happened.SpecChanged(process_differs=True), spec=SPEC) == (completed, [])


def test_down_takes_it_off() -> None:
    after, _ = run(ARMED, happened.Down(), spec=NIGHTLY, now=NOW)
    assert (after.state, after.intent) == (State.STOPPED, Intent.DOWN)
