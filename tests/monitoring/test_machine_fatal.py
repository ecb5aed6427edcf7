"""When a service is given up, and when it is tried once more, by the supervisor's state machine."""

from dataclasses import replace

import pytest

from monitoring.states import Intent, Reason, RestartPolicy, State
from monitoring.supervisor import happenings as happened
from monitoring.supervisor.situation import ArmTimer, CancelTimer, Situation, Spawn, Sweep, Timer
from tests.monitoring.situations import NOW, RUN, SITUATIONS, SPEC, run, running

GIVEN_UP = replace(SPEC, fatal_codes=frozenset({78}))
RETRIED = replace(GIVEN_UP, fatal_retry=300.0)


def fatal(spec: object = RETRIED) -> Situation:
    return run(running(), happened.Exited(RUN, 78), happened.TreeGone(RUN), spec=spec)[0]  # type: ignore[arg-type]


@pytest.mark.parametrize("policy", RestartPolicy)
def test_an_exit_code_that_is_fatal_gives_it_up_whatever_the_policy(policy: RestartPolicy) -> None:
    spec = replace(GIVEN_UP, restart=policy)
    after, effects = run(running(stable=True), happened.Exited(RUN, 78), spec=spec)
    assert (after.state, after.reason, after.detail) == (
        State.FATAL,
        Reason.FATAL_EXIT,
        "exited with code 78",
    )
    assert Sweep(RUN) in effects
    assert after.timers == ()
    other, _ = run(running(), happened.Exited(RUN, 77), spec=replace(spec, restart=RestartPolicy.ALWAYS))
    assert other.state is State.BACKOFF


def test_a_fatal_exit_while_it_is_stopped_is_just_its_end() -> None:
    after, _ = run(
        running(), happened.Down(), happened.Exited(RUN, 78), happened.TreeGone(RUN), spec=GIVEN_UP
    )
    assert after.state is State.STOPPED


def test_what_was_given_up_is_tried_once_more_where_that_is_declared() -> None:
    _, effects = run(running(), happened.Exited(RUN, 78), spec=RETRIED)
    assert ArmTimer(Timer.RETRY, NOW + 300) in effects
    assert run(fatal(), happened.RetryElapsed(), spec=RETRIED, now=NOW + 299) == (fatal(), [])
    waiting, _ = run(fatal(), happened.RetryElapsed(), spec=RETRIED, now=NOW + 300)
    assert waiting.state is State.WAITING
    started, effects = run(waiting, happened.Admitted("run-2"), spec=RETRIED)
    assert effects == [Spawn("run-2")]
    assert (started.reason, started.restarts) == (Reason.FATAL_EXIT, 1)


def test_what_cannot_be_spawned_is_tried_once_more_too() -> None:
    starting = replace(SITUATIONS[State.STARTING], pid=None, timers=())
    after, effects = run(
        starting, happened.SpawnFailed(RUN, "cwd-missing", "no", hopeless=True), spec=RETRIED
    )
    assert after.state is State.FATAL
    assert ArmTimer(Timer.RETRY, NOW + 300) in effects


@pytest.mark.parametrize(
    ("event", "state"),
    [
        (happened.Up(), State.WAITING),
        (happened.Restart(), State.WAITING),
        (happened.Down(), State.STOPPED),
        (happened.Deleted(), State.STOPPED),
    ],
)
def test_whoever_acts_on_it_ends_the_wait(event: happened.Event, state: State) -> None:
    after, effects = run(fatal(), event, spec=RETRIED)
    assert after.state is state
    assert effects == [CancelTimer(Timer.RETRY)]


def test_the_next_supervisor_waits_anew() -> None:
    left = replace(fatal(), timers=())
    after, effects = run(left, happened.Boot(fresh=False), spec=RETRIED)
    assert (after.state, effects) == (State.FATAL, [ArmTimer(Timer.RETRY, NOW + 300)])
    assert run(replace(left, intent=Intent.DOWN), happened.Boot(fresh=False), spec=RETRIED)[1] == []


def test_a_changed_declaration_begins_or_ends_the_wait() -> None:
    given_up = fatal(GIVEN_UP)
    assert given_up.timers == ()
    change = happened.SpecChanged(process_differs=False)
    waits, effects = run(given_up, change, spec=RETRIED)
    assert effects == [ArmTimer(Timer.RETRY, NOW + 300)]
    assert run(waits, change, spec=GIVEN_UP)[1] == [CancelTimer(Timer.RETRY)]


def test_a_circle_of_dependencies_is_not_tried_again_by_the_clock() -> None:
    never, _ = run(SITUATIONS[State.WAITING], happened.Unstartable("a needs b needs a"), spec=RETRIED)
    assert (never.state, never.timers) == (State.FATAL, ())
    assert run(never, happened.Boot(fresh=False), spec=RETRIED)[1] == []


def test_too_many_failures_are_tried_once_more_with_auto_recovery_still_off() -> None:
    spec = replace(RETRIED, max_failures=1)
    after, _ = run(running(), happened.Exited(RUN, 1), happened.TreeGone(RUN), spec=spec)
    assert (after.state, after.reason) == (State.FATAL, Reason.AUTO_RECOVERY_OFF)
    again, _ = run(after, happened.RetryElapsed(), spec=spec, now=NOW + 300)
    assert (again.state, again.auto_recovery) == (State.WAITING, False)


def test_turning_auto_recovery_on_ends_the_wait() -> None:
    spec = replace(RETRIED, max_failures=1)
    after, _ = run(running(), happened.Exited(RUN, 1), happened.TreeGone(RUN), spec=spec)
    up, effects = run(after, happened.AutoRecovery(on=True), spec=spec)
    assert (up.state, effects) == (State.WAITING, [CancelTimer(Timer.RETRY)])


@pytest.mark.parametrize(
    ("signal", "policy", "state", "reason"),
    [
        ("SIGTERM", RestartPolicy.ON_FAILURE, State.EXITED, Reason.COMPLETED),
        ("SIGKILL", RestartPolicy.ON_FAILURE, State.BACKOFF, Reason.CRASH),
        ("SIGTERM", RestartPolicy.ALWAYS, State.BACKOFF, Reason.COMPLETED),
    ],
)
def test_signals_that_are_declared_a_success_are_one(
    signal: str, policy: RestartPolicy, state: State, reason: Reason
) -> None:
    spec = replace(SPEC, success_signals=frozenset({"SIGTERM"}), restart=policy)
    after, _ = run(running(), happened.Exited(RUN, signal=signal), spec=spec)
    assert (after.state, after.reason) == (state, reason)
