"""When a service that is starting counts as RUNNING, by the supervisor's state machine."""

from dataclasses import replace

import pytest

from monitoring.states import Health, HealthKind, ReadyKind, Reason, State
from monitoring.supervisor import happenings as happened
from monitoring.supervisor.readiness import check_while_starting
from monitoring.supervisor.situation import (
    ArmTimer,
    Situation,
    StartProbing,
    StopProbing,
    Timer,
    UnwatchReady,
    WatchReady,
)
from monitoring.supervisor.spec import HealthCheck, Readiness, ServiceSpec
from tests.monitoring.situations import NOW, RUN, SITUATIONS, SPEC, run

ALIVE = HealthCheck(HealthKind.HTTP, url="http://127.0.0.1:8001/alive", successes=3)
BY_TCP = replace(SPEC, readiness=Readiness(ReadyKind.TCP, port=8001), health=ALIVE)
BY_HTTP = replace(BY_TCP, readiness=Readiness(ReadyKind.HTTP, url="http://127.0.0.1:8001/ready"))
BY_LOG = replace(SPEC, readiness=Readiness(ReadyKind.LOG, pattern="listening on"), health=ALIVE)
BY_NOTIFY = replace(SPEC, readiness=Readiness(ReadyKind.NOTIFY))


def spawned(spec: ServiceSpec) -> tuple[Situation, list[object]]:
    return run(SITUATIONS[State.WAITING], happened.Admitted(RUN), happened.Spawned(RUN, 4711), spec=spec)


@pytest.mark.parametrize("spec", [BY_TCP, BY_HTTP])
def test_what_tells_that_it_is_ready_is_probed_first_and_its_health_afterwards(spec: ServiceSpec) -> None:
    starting, effects = spawned(spec)
    ready = check_while_starting(spec)
    assert ready is not None
    assert StartProbing(RUN, ready) in effects
    assert ArmTimer(Timer.START_TIMEOUT, NOW + 30) in effects
    assert ready.kind.value == spec.readiness.kind.value
    running, effects = run(starting, happened.Probed(RUN, ok=True), spec=spec)
    assert (running.state, running.health) == (State.RUNNING, Health.UNKNOWN)
    assert StopProbing() in effects
    assert StartProbing(RUN, ALIVE) in effects


def test_ready_without_a_health_check_is_not_probed_any_more() -> None:
    spec = replace(BY_TCP, health=HealthCheck())
    running, effects = run(spawned(spec)[0], happened.Probed(RUN, ok=True), spec=spec)
    assert (running.state, running.health, running.probing) == (State.RUNNING, Health.UNKNOWN, None)
    assert StopProbing() in effects


@pytest.mark.parametrize("spec", [BY_LOG, BY_NOTIFY])
def test_a_line_or_a_message_tells_that_it_is_ready(spec: ServiceSpec) -> None:
    starting, effects = spawned(spec)
    assert WatchReady(RUN, spec.readiness) in effects
    assert ArmTimer(Timer.START_TIMEOUT, NOW + 30) in effects
    assert not [effect for effect in effects if isinstance(effect, StartProbing)]
    running, effects = run(starting, happened.Ready(RUN, "listening on 8001"), spec=spec)
    assert running.state is State.RUNNING
    assert UnwatchReady() in effects


def test_liveness_is_not_probed_while_a_line_is_awaited() -> None:
    starting, _ = spawned(BY_LOG)
    assert starting.probing is None
    _, effects = run(starting, happened.Ready(RUN), spec=BY_LOG)
    assert StartProbing(RUN, ALIVE) in effects


def test_ready_is_nothing_to_a_service_that_is_not_asked_for_it() -> None:
    starting, _ = spawned(SPEC)
    assert run(starting, happened.Ready(RUN)) == (starting, [])


@pytest.mark.parametrize("spec", [BY_TCP, BY_LOG])
def test_scenario_28_what_is_not_ready_in_time_is_a_failed_start(spec: ServiceSpec) -> None:
    starting, _ = spawned(spec)
    if spec is BY_TCP:
        starting, _ = run(starting, happened.Probed(RUN, ok=False, detail="connection refused"), spec=spec)
    late, effects = run(starting, happened.StartTimeout(RUN), spec=spec, now=NOW + 30)
    assert (late.state, late.reason) == (State.STOPPING, Reason.START_TIMEOUT)
    assert late.detail.startswith("Not ready within 30 s.")
    assert ("connection refused" in late.detail) is (spec is BY_TCP)
    assert (UnwatchReady() in effects) is (spec is BY_LOG)


@pytest.mark.parametrize("kind", [HealthKind.LOG, HealthKind.NOTIFY])
def test_silence_tells_nothing_about_a_start(kind: HealthKind) -> None:
    spec = replace(SPEC, health=HealthCheck(kind))
    starting, effects = spawned(spec)
    assert starting.probing is None
    assert ArmTimer(Timer.READY, NOW + 1) in effects
    running, effects = run(starting, happened.ReadyElapsed(RUN), spec=spec, now=NOW + 1)
    assert running.state is State.RUNNING
    assert StartProbing(RUN, spec.health) in effects


def test_a_changed_readiness_holds_at_once() -> None:
    starting, _ = spawned(BY_TCP)
    after, effects = run(starting, happened.SpecChanged(process_differs=False), spec=BY_LOG)
    assert StopProbing() in effects
    assert WatchReady(RUN, BY_LOG.readiness) in effects
    assert after.due(Timer.START_TIMEOUT) == NOW + 30
    plain, effects = run(after, happened.SpecChanged(process_differs=False), spec=SPEC)
    assert UnwatchReady() in effects
    assert plain.timers == ((Timer.READY, NOW + 1),)


def test_one_that_was_taken_over_while_it_started_is_watched_again() -> None:
    left = replace(SITUATIONS[State.STARTING], timers=(), pid=None)
    _, effects = run(left, happened.Adopted(RUN, 4711, 5.0), spec=BY_LOG)
    assert WatchReady(RUN, BY_LOG.readiness) in effects


def test_a_message_that_nobody_heard_does_not_end_one_that_was_taken_over() -> None:
    """Its READY=1 may have come between two supervisors."""
    left = replace(SITUATIONS[State.STARTING], timers=(), pid=None)
    after, _ = run(left, happened.Adopted(RUN, 4711, 5.0), spec=BY_NOTIFY)
    assert after.due(Timer.START_TIMEOUT) is None
    assert run(after, happened.ReadyElapsed(RUN), spec=BY_NOTIFY, now=NOW + 1)[0].state is State.RUNNING


def test_scenario_2_a_restart_while_it_waits_for_a_dependency_spawns_exactly_once() -> None:
    waiting, _ = run(SITUATIONS[State.WAITING], happened.Waits("waiting for Database"))
    again, effects = run(waiting, happened.Restart(), happened.Waits("waiting for Database"))
    assert (again.state, again.reason, effects) == (State.WAITING, Reason.DEPENDENCY, [])
    _, effects = run(again, happened.Waits(""), happened.Admitted("run-2"), happened.Admitted("run-3"))
    assert [type(effect).__name__ for effect in effects] == ["Spawn"]
