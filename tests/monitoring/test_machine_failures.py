"""What follows when a service fails, by the supervisor's state machine."""

import random
from dataclasses import replace

import pytest

from monitoring.states import Health, Reason, RestartPolicy, State
from monitoring.supervisor import happenings as happened
from monitoring.supervisor import policy
from monitoring.supervisor.situation import (
    ArmTimer,
    CancelTimer,
    StopProbing,
    Sweep,
    Timer,
)
from tests.monitoring.situations import NOW, PROBED, RUN, SITUATIONS, SPEC, run, running


def test_running_to_backoff_when_it_had_not_been_stable() -> None:
    after, effects = run(SITUATIONS[State.RUNNING], happened.Exited(RUN, 3))
    assert (after.state, after.detail) == (State.BACKOFF, "exited with code 3")
    assert effects == [CancelTimer(Timer.STABLE), Sweep(RUN), ArmTimer(Timer.BACKOFF, NOW + 0.5)]


def test_backoff_doubles_up_to_the_cap_and_starts_over_after_stability() -> None:
    """Scenario 5."""
    situation, now, delays = SITUATIONS[State.RUNNING], NOW, []
    for _ in range(10):
        situation, _ = run(situation, happened.Exited(situation.run_id, 1), now=now)
        due = situation.due(Timer.BACKOFF)
        assert due is not None
        delays.append(due - now)
        now = due
        situation, _ = run(
            situation,
            happened.TreeGone(situation.run_id),
            happened.BackoffElapsed(),
            happened.Admitted("next"),
            happened.Spawned("next", 1),
            now=now,
        )
        now += 1
        situation, _ = run(situation, happened.ReadyElapsed("next"), now=now)
    assert delays == [0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60]
    situation, _ = run(situation, happened.StableElapsed("next"), now=now + 60)
    situation, _ = run(situation, happened.Exited("next", 1), now=now + 61)
    assert situation.state is State.WAITING


def test_jitter_stays_within_ten_percent() -> None:
    for jitter in (-1.0, 1.0, *(random.Random(1).uniform(-1, 1) for _ in range(100))):
        assert 0.45 <= policy.delay(1, SPEC, jitter) <= 0.55
        assert policy.delay(5000, SPEC, jitter) <= 66.0
        assert policy.delay(0, SPEC, jitter) == 0.0


@pytest.mark.parametrize(
    ("restart", "code", "state", "reason"),
    [
        (RestartPolicy.ALWAYS, 0, State.BACKOFF, Reason.COMPLETED),
        (RestartPolicy.ALWAYS, 1, State.BACKOFF, Reason.CRASH),
        (RestartPolicy.ON_FAILURE, 0, State.EXITED, Reason.COMPLETED),
        (RestartPolicy.ON_FAILURE, 1, State.BACKOFF, Reason.CRASH),
        (RestartPolicy.ON_FAILURE, None, State.BACKOFF, Reason.CRASH),
        (RestartPolicy.NEVER, 0, State.EXITED, Reason.COMPLETED),
        (RestartPolicy.NEVER, 1, State.EXITED, Reason.CRASH),
    ],
)
def test_running_goes_where_the_restart_policy_says(
    restart: RestartPolicy, code: int | None, state: State, reason: Reason
) -> None:
    after, _ = run(running(), happened.Exited(RUN, code), spec=replace(SPEC, restart=restart))
    assert (after.state, after.reason) == (state, reason)


def test_success_codes_are_those_of_the_declaration() -> None:
    spec = replace(SPEC, restart=RestartPolicy.ON_FAILURE, success_codes=frozenset({0, 7}))
    assert run(running(), happened.Exited(RUN, 7), spec=spec)[0].state is State.EXITED
    assert run(running(), happened.Exited(RUN, signal="SIGTERM"), spec=spec)[0].state is State.BACKOFF


def test_running_to_fatal_when_it_fails_too_often_within_the_window() -> None:
    spec = replace(SPEC, max_failures=3, failure_window=600.0)
    situation = running(failures=(NOW - 700, NOW - 500, NOW - 100))
    after, _ = run(situation, happened.Exited(RUN, 1), spec=spec)
    assert (after.state, after.reason, after.auto_recovery) == (
        State.FATAL,
        Reason.AUTO_RECOVERY_OFF,
        False,
    )
    assert "3 times within 10 minutes" in after.detail
    assert "exited with code 1" in after.detail
    again, _ = run(after, happened.TreeGone(RUN), happened.AutoRecovery(on=True), spec=spec)
    assert (again.state, again.auto_recovery) == (State.WAITING, True)


def test_failures_outside_the_window_do_not_count() -> None:
    spec = replace(SPEC, max_failures=3, failure_window=600.0)
    situation = running(failures=(NOW - 700, NOW - 650))
    after, _ = run(situation, happened.Exited(RUN, 1), spec=spec)
    assert (after.state, after.auto_recovery) == (State.BACKOFF, True)


def test_without_auto_recovery_a_crash_ends_it_until_it_is_turned_on() -> None:
    after, _ = run(running(), happened.AutoRecovery(on=False), happened.Exited(RUN, 1))
    assert (after.state, after.reason) == (State.EXITED, Reason.CRASH)
    after, _ = run(after, happened.TreeGone(RUN), happened.AutoRecovery(on=True))
    assert after.state is State.WAITING


def test_turning_auto_recovery_on_does_not_start_what_completed() -> None:
    spec = replace(SPEC, restart=RestartPolicy.ON_FAILURE)
    situation = running(auto_recovery=False)
    after, _ = run(situation, happened.Exited(RUN, 0), happened.AutoRecovery(on=True), spec=spec)
    assert after.state is State.EXITED


def test_running_to_stopping_when_so_many_probes_failed_in_a_row() -> None:
    situation = running(probing=PROBED.health, health=Health.HEALTHY, stable=True, timers=())
    bad = happened.Probed(RUN, ok=False, detail="status 500")
    good = happened.Probed(RUN, ok=True)
    after, effects = run(situation, bad, bad, good, bad, bad, spec=PROBED)
    assert (after.state, effects) == (State.RUNNING, [])
    after, effects = run(after, bad, spec=PROBED)
    assert (after.state, after.reason, after.detail) == (
        State.STOPPING,
        Reason.UNHEALTHY,
        "status 500",
    )
    assert StopProbing() in effects
    after, _ = run(after, happened.Exited(RUN, 0), happened.TreeGone(RUN), spec=PROBED)
    assert (after.state, after.cause) == (State.WAITING, Reason.UNHEALTHY)


def test_a_hung_service_is_restarted_with_that_reason() -> None:
    situation = running(probing=PROBED.health, timers=())
    hung = happened.Probed(RUN, ok=False, hung=True, detail="no answer within 2 s")
    after, _ = run(situation, hung, hung, hung, spec=PROBED)
    assert (after.state, after.reason) == (State.STOPPING, Reason.HUNG)


def test_unhealthy_without_restart_is_shown_and_mended() -> None:
    spec = replace(PROBED, health=replace(PROBED.health, restart=False))
    situation = running(probing=spec.health, timers=())
    bad = happened.Probed(RUN, ok=False, detail="status 500")
    after, _ = run(situation, bad, bad, bad, bad, bad, spec=spec)
    assert (after.state, after.health, after.reason) == (
        State.RUNNING,
        Health.UNHEALTHY,
        Reason.UNHEALTHY,
    )
    after, _ = run(after, happened.Probed(RUN, ok=True), spec=spec)
    assert (after.health, after.reason, after.detail) == (Health.HEALTHY, Reason.OPERATOR, "")
