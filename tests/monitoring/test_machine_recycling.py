"""Runs that are replaced although they have not failed, and services that fail again and again."""

from dataclasses import replace

import pytest

from monitoring.states import Health, HealthKind, Reason, State
from monitoring.supervisor import happenings as happened
from monitoring.supervisor.situation import Kill, Signal, Situation
from monitoring.supervisor.spec import HealthCheck
from tests.monitoring.situations import NOW, RUN, SITUATIONS, SPEC, run, running

LIMITS = [Reason.MEMORY, Reason.CPU, Reason.MAX_AGE, Reason.MAX_REQUESTS]


@pytest.mark.parametrize("reason", LIMITS)
def test_a_run_is_replaced_without_a_wait_and_without_a_failure_counted(reason: Reason) -> None:
    before = running(streak=2, failures=(NOW - 1,), restarts=4)
    stopping, effects = run(before, happened.Recycle(RUN, reason, "too much"))
    assert Signal(RUN, "SIGTERM") in effects
    assert (stopping.state, stopping.reason, stopping.detail) == (State.STOPPING, reason, "too much")
    waiting, _ = run(stopping, happened.Exited(RUN, signal="SIGTERM"), happened.TreeGone(RUN))
    assert (waiting.state, waiting.streak, waiting.failures) == (State.WAITING, 2, (NOW - 1,))
    started, _ = run(waiting, happened.Admitted("run-2"))
    assert (started.reason, started.detail, started.restarts) == (reason, "too much", 5)


def test_a_run_that_will_not_go_is_killed_and_still_replaced() -> None:
    stopping, _ = run(running(), happened.Recycle(RUN, Reason.MEMORY, "too much"))
    killed, effects = run(stopping, happened.StopTimeout(RUN), now=NOW + 10)
    assert Kill(RUN) in effects
    after, _ = run(killed, happened.Exited(RUN, signal="SIGKILL"), happened.TreeGone(RUN))
    assert (after.state, after.reason) == (State.WAITING, Reason.MEMORY)


@pytest.mark.parametrize("state", [state for state in SITUATIONS if state is not State.RUNNING])
def test_only_what_is_running_is_replaced(state: State) -> None:
    situation = SITUATIONS[state]
    assert run(situation, happened.Recycle(RUN, Reason.MEMORY, "")) == (situation, [])


def test_without_auto_recovery_nothing_is_replaced() -> None:
    situation = running(auto_recovery=False)
    assert run(situation, happened.Recycle(RUN, Reason.MEMORY, "")) == (situation, [])


def test_a_stop_while_it_is_being_replaced_wins() -> None:
    stopping, _ = run(running(), happened.Recycle(RUN, Reason.MAX_AGE, ""), happened.Down())
    after, _ = run(stopping, happened.Exited(RUN, 0), happened.TreeGone(RUN))
    assert after.state is State.STOPPED


def test_a_replacement_that_the_supervisor_did_not_live_to_see_is_carried_on() -> None:
    left = replace(
        SITUATIONS[State.STOPPING],
        intent=running().intent,
        reason=Reason.MEMORY,
        detail="too much",
        timers=(),
    )
    stopping, effects = run(left, happened.Adopted(RUN, 4711, 5.0))
    assert Signal(RUN, "SIGTERM") in effects
    after, _ = run(stopping, happened.Exited(RUN, 0), happened.TreeGone(RUN))
    assert (after.state, after.reason) == (State.WAITING, Reason.MEMORY)


def crash(situation: Situation, times: int) -> Situation:
    for _ in range(times):
        situation, _ = run(
            replace(situation, state=State.RUNNING, run_id=RUN, pid=4711, leader_gone=False, timers=()),
            happened.Exited(RUN, 1),
            happened.TreeGone(RUN),
        )
    return situation


def test_three_failures_in_a_row_are_flapping_until_it_is_stable() -> None:
    assert not crash(running(), 2).flapping
    flapping = crash(running(), 3)
    assert flapping.flapping
    up = replace(running(), flapping=True, streak=3)
    steady, _ = run(up, happened.StableElapsed(RUN))
    assert not steady.flapping


@pytest.mark.parametrize("event", [happened.Up(), happened.Restart(), happened.Down()])
def test_an_operator_ends_the_flapping(event: happened.Event) -> None:
    assert not run(crash(running(), 3), event)[0].flapping


def test_ends_with_success_are_no_flapping() -> None:
    situation = running()
    for _ in range(5):
        situation, _ = run(
            replace(situation, state=State.RUNNING, run_id=RUN, pid=4711, leader_gone=False, timers=()),
            happened.Exited(RUN, 0),
            happened.TreeGone(RUN),
        )
    assert not situation.flapping


def test_scenario_28_flaps_of_the_health_under_the_threshold_restart_nothing_and_over_it_once() -> None:
    spec = replace(SPEC, health=HealthCheck(HealthKind.TCP, port=1, failures=3, successes=2))
    bad, good = happened.Probed(RUN, ok=False, detail="refused"), happened.Probed(RUN, ok=True)
    before = running(probing=spec.health, health=Health.HEALTHY)
    flapped, effects = run(before, *[bad, bad, good] * 5, spec=spec)
    assert (flapped.state, flapped.health, effects) == (State.RUNNING, Health.HEALTHY, [])
    over, effects = run(flapped, bad, bad, bad, bad, spec=spec)
    assert over.state is State.STOPPING
    assert [effect for effect in effects if isinstance(effect, Signal)] == [Signal(RUN, "SIGTERM")]


def test_scenario_28_it_takes_so_many_good_answers_to_be_healthy_again() -> None:
    check = HealthCheck(HealthKind.TCP, port=1, failures=1, successes=2, restart=False)
    spec = replace(SPEC, health=check)
    bad, good = happened.Probed(RUN, ok=False, detail="refused"), happened.Probed(RUN, ok=True)
    sick, _ = run(running(probing=check, health=Health.HEALTHY), bad, good, spec=spec)
    assert sick.health is Health.UNHEALTHY
    assert run(sick, good, spec=spec)[0].health is Health.HEALTHY
    assert run(sick, bad, good, spec=spec)[0].health is Health.UNHEALTHY
