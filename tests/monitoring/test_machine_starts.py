"""How a service comes up, by the supervisor's state machine."""

from dataclasses import replace

import pytest

from monitoring.states import Health, Intent, Reason, State
from monitoring.supervisor import happenings as happened
from monitoring.supervisor.machine import step
from monitoring.supervisor.situation import (
    After,
    ArmTimer,
    CancelTimer,
    Signal,
    Spawn,
    StartProbing,
    StopProbing,
    Sweep,
    Timer,
)
from tests.monitoring.situations import NOW, PROBED, RUN, SITUATIONS, SPEC, run, running


def test_stopped_to_waiting_when_wanted_up() -> None:
    after, effects = run(SITUATIONS[State.STOPPED], happened.Up())
    assert (after.state, after.intent, after.reason) == (State.WAITING, Intent.UP, Reason.OPERATOR)
    assert effects == []


def test_waiting_to_starting_spawns_the_run_that_was_admitted() -> None:
    after, effects = run(SITUATIONS[State.WAITING], happened.Admitted("run-7"))
    assert (after.state, after.run_id) == (State.STARTING, "run-7")
    assert effects == [Spawn("run-7")]


def test_waiting_stays_waiting_while_the_rest_of_an_earlier_run_lives() -> None:
    waiting = replace(SITUATIONS[State.WAITING], run_id=RUN, leader_gone=True)
    after, effects = run(waiting, happened.Admitted("run-7"))
    assert (after, effects) == (waiting, [])
    after, effects = run(waiting, happened.TreeGone(RUN), happened.Admitted("run-7"))
    assert effects == [Spawn("run-7")]


def test_restart_while_waiting_spawns_exactly_once() -> None:
    after, effects = run(
        SITUATIONS[State.WAITING],
        happened.Restart(),
        happened.Restart(),
        happened.Admitted("run-7"),
        happened.Admitted("run-8"),
    )
    assert effects == [Spawn("run-7")]
    assert after.run_id == "run-7"


def test_starting_to_running_after_its_start_seconds() -> None:
    waiting = SITUATIONS[State.WAITING]
    started, effects = run(waiting, happened.Admitted(RUN), happened.Spawned(RUN, 12))
    assert effects == [Spawn(RUN), ArmTimer(Timer.READY, NOW + 1.0)]
    after, effects = run(started, happened.ReadyElapsed(RUN), now=NOW + 1.0)
    assert (after.state, after.pid) == (State.RUNNING, 12)
    assert effects == [ArmTimer(Timer.STABLE, NOW + 61.0)]


def test_starting_to_running_when_the_first_probe_succeeds() -> None:
    started, effects = run(
        SITUATIONS[State.WAITING], happened.Admitted(RUN), happened.Spawned(RUN, 12), spec=PROBED
    )
    assert effects[1:] == [ArmTimer(Timer.START_TIMEOUT, NOW + 30.0), StartProbing(RUN, PROBED.health)]
    after, effects = run(started, happened.Probed(RUN, ok=False, detail="refused"), spec=PROBED)
    assert (after.state, after.detail) == (State.STARTING, "refused")
    after, effects = run(after, happened.Probed(RUN, ok=True), spec=PROBED)
    assert (after.state, after.health, after.detail) == (State.RUNNING, Health.HEALTHY, "")
    assert CancelTimer(Timer.START_TIMEOUT) in effects


def test_starting_to_stopping_when_not_healthy_in_time_and_then_backoff() -> None:
    started, _ = run(
        SITUATIONS[State.WAITING],
        happened.Admitted(RUN),
        happened.Spawned(RUN, 12),
        happened.Probed(RUN, ok=False, detail="refused"),
        spec=PROBED,
    )
    late, effects = run(started, happened.StartTimeout(RUN), spec=PROBED, now=NOW + 30)
    assert (late.state, late.reason) == (State.STOPPING, Reason.START_TIMEOUT)
    assert "refused" in late.detail
    assert Signal(RUN, "SIGTERM") in effects
    after, _ = run(
        late,
        happened.Exited(RUN, signal="SIGTERM"),
        happened.TreeGone(RUN),
        spec=PROBED,
        now=NOW + 31,
    )
    assert (after.state, after.reason) == (State.BACKOFF, Reason.START_TIMEOUT)


def test_starting_to_fatal_when_trying_again_would_not_help() -> None:
    starting = replace(SITUATIONS[State.STARTING], pid=None, timers=())
    after, _ = run(starting, happened.SpawnFailed(RUN, "any", "no such file", hopeless=True))
    assert (after.state, after.reason, after.detail) == (State.FATAL, Reason.SPAWN_ERROR, "no such file")
    assert after.run_id == ""


@pytest.mark.parametrize(
    ("code", "reason"), [("port-busy", Reason.PORT_BUSY), ("too-many-files", Reason.SPAWN_ERROR)]
)
def test_starting_to_backoff_when_it_may_work_later(code: str, reason: Reason) -> None:
    starting = replace(SITUATIONS[State.STARTING], pid=None, timers=())
    after, effects = run(starting, happened.SpawnFailed(RUN, code, "port 8001 is taken by pid 7"))
    assert (after.state, after.reason) == (State.BACKOFF, reason)
    assert effects == [ArmTimer(Timer.BACKOFF, NOW + 0.5)]


def test_running_to_waiting_at_once_when_it_had_been_stable() -> None:
    stable, _ = run(SITUATIONS[State.RUNNING], happened.StableElapsed(RUN))
    after, effects = run(stable, happened.Exited(RUN, signal="SIGKILL"))
    assert (after.state, after.reason, after.detail) == (State.WAITING, Reason.CRASH, "killed by SIGKILL")
    assert effects == [Sweep(RUN)]
    again, effects = run(after, happened.TreeGone(RUN), happened.Admitted("run-2"))
    assert effects == [Spawn("run-2")]
    assert again.restarts == 1


def test_stopping_to_waiting_when_wanted_up_again_meanwhile() -> None:
    stopping, _ = run(running(), happened.Down(), happened.Up())
    assert (stopping.state, stopping.intent, stopping.after) == (
        State.STOPPING,
        Intent.UP,
        After.START,
    )
    after, _ = run(stopping, happened.Exited(RUN, 0), happened.TreeGone(RUN))
    assert after.state is State.WAITING


def test_backoff_to_waiting_when_wanted_up_now() -> None:
    after, effects = run(SITUATIONS[State.BACKOFF], happened.Up())
    assert (after.state, after.restarts, after.streak) == (State.WAITING, 0, 0)
    assert effects == [CancelTimer(Timer.BACKOFF)]


def test_a_healthy_answer_of_a_healthy_service_has_no_effect_at_all() -> None:
    situation, _ = run(running(probing=PROBED.health, timers=()), happened.Probed(RUN, ok=True), spec=PROBED)
    after, effects = step(situation, happened.Probed(RUN, ok=True), PROBED, NOW)
    assert after is situation
    assert effects == ()


def test_a_dependency_that_can_never_be_met_is_fatal_until_it_can() -> None:
    after, _ = run(SITUATIONS[State.WAITING], happened.Unstartable("a needs b needs a"))
    assert (after.state, after.reason, after.detail) == (
        State.FATAL,
        Reason.DEPENDENCY,
        "a needs b needs a",
    )
    after, _ = run(after, happened.Startable())
    assert after.state is State.WAITING


def test_changed_settings_need_a_restart_only_where_the_process_would_differ() -> None:
    after, _ = run(running(), happened.SpecChanged(process_differs=True))
    assert after.needs_restart
    after, _ = run(after, happened.SpecChanged(process_differs=False))
    assert not after.needs_restart


def test_a_health_check_declared_later_is_probed_at_once() -> None:
    after, effects = run(running(), happened.SpecChanged(process_differs=False), spec=PROBED)
    assert effects == [StartProbing(RUN, PROBED.health)]
    _, effects = run(after, happened.SpecChanged(process_differs=False), spec=SPEC)
    assert effects == [StopProbing()]


def test_a_mended_command_is_tried_at_once() -> None:
    after, _ = run(SITUATIONS[State.FATAL], happened.SpecChanged(process_differs=True))
    assert (after.state, after.reason) == (State.WAITING, Reason.CONFIG)
