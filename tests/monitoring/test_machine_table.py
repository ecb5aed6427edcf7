"""The supervisor's state machine: every pair is defined, and what matters happens as described."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monitoring.states import Health, HealthKind, Intent, Reason, RestartPolicy, State
from monitoring.supervisor import happenings as happened
from monitoring.supervisor import policy
from monitoring.supervisor.machine import STATES, TABLE, step
from monitoring.supervisor.situation import (
    After,
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

SPEC = ServiceSpec(
    key="backend",
    name="Backend",
    command=("backend",),
    log_path=Path("backend.log"),
    stable_seconds=60.0,
    stop_timeout=10.0,
    start_seconds=1.0,
)
PROBED = replace(SPEC, health=HealthCheck(kind=HealthKind.TCP, port=8001, failures=3), start_timeout=30.0)
NOW = 1000.0
RUN = "run-1"

SITUATIONS: dict[State, Situation] = {
    State.STOPPED: Situation(),
    State.WAITING: Situation(state=State.WAITING, intent=Intent.UP, cause=Reason.OPERATOR),
    State.STARTING: Situation(
        state=State.STARTING,
        intent=Intent.UP,
        cause=Reason.OPERATOR,
        run_id=RUN,
        pid=4711,
        timers=((Timer.READY, NOW),),
    ),
    State.RUNNING: Situation(
        state=State.RUNNING,
        intent=Intent.UP,
        cause=Reason.OPERATOR,
        run_id=RUN,
        pid=4711,
        timers=((Timer.STABLE, NOW),),
    ),
    State.STOPPING: Situation(
        state=State.STOPPING,
        intent=Intent.DOWN,
        reason=Reason.OPERATOR,
        run_id=RUN,
        pid=4711,
        timers=((Timer.STOP_TIMEOUT, NOW),),
    ),
    State.BACKOFF: Situation(
        state=State.BACKOFF,
        intent=Intent.UP,
        reason=Reason.CRASH,
        cause=Reason.CRASH,
        detail="exited with code 1",
        cause_detail="exited with code 1",
        streak=1,
        timers=((Timer.BACKOFF, NOW),),
    ),
    State.EXITED: Situation(state=State.EXITED, intent=Intent.UP, reason=Reason.COMPLETED),
    State.FATAL: Situation(state=State.FATAL, intent=Intent.UP, reason=Reason.SPAWN_ERROR),
}

EVENTS: list[happened.Event] = [
    happened.Up(),
    happened.Down(),
    happened.Restart(),
    happened.AutoRecovery(on=False),
    happened.Boot(fresh=True),
    happened.Shutdown(),
    happened.Deleted(),
    happened.SpecChanged(process_differs=True),
    happened.Unstartable("a needs b needs a"),
    happened.Startable(),
    happened.Waits("waiting for database"),
    happened.Admitted("run-2"),
    happened.BackoffElapsed(),
    happened.Spawned(RUN, 4711),
    happened.SpawnFailed(RUN, "spawn-failed", "no"),
    happened.ReadyElapsed(RUN),
    happened.StartTimeout(RUN),
    happened.StopTimeout(RUN),
    happened.StableElapsed(RUN),
    happened.Probed(RUN, ok=True),
    happened.Exited(RUN, 1),
    happened.TreeGone(RUN),
    happened.Adopted(RUN, 4711, 5.0),
    happened.AdoptGone(RUN),
]


def run(
    situation: Situation, *events: happened.Event, spec: ServiceSpec = SPEC, now: float = NOW
) -> tuple[Situation, list[Any]]:
    """Take the events one after the other; return where that leads and all effects but records."""
    effects: list[Any] = []
    for event in events:
        situation, more = step(situation, event, spec, now)
        effects += [effect for effect in more if not isinstance(effect, Record)]
    return situation, effects


def running(**changes: Any) -> Situation:
    return replace(SITUATIONS[State.RUNNING], **changes)


def test_every_pair_of_state_and_event_is_defined() -> None:
    assert set(TABLE) == {type(event) for event in EVENTS}
    assert set(STATES) == set(State) - {State.UNKNOWN}
    for event, row in TABLE.items():
        assert len(row) == len(STATES), f"{event.__name__} does not name a move for every state"
        assert all(callable(move) for move in row)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
@pytest.mark.parametrize("state", STATES)
def test_every_pair_can_be_taken(state: State, event: happened.Event) -> None:
    for spec in (SPEC, PROBED):
        after, effects = step(SITUATIONS[state], event, spec, NOW)
        assert after.state in STATES
        for effect in effects:
            assert getattr(effect, "run_id", after.run_id or RUN) in (after.run_id, RUN)


@pytest.mark.parametrize("state", STATES)
def test_every_state_accepts_down(state: State) -> None:
    after, _ = run(SITUATIONS[state], happened.Down())
    assert after.intent is Intent.DOWN
    assert after.state in (State.STOPPED, State.STOPPING)


@pytest.mark.parametrize(
    "event", [event for event in EVENTS if isinstance(event, happened.ProcessEvent)], ids=type
)
@pytest.mark.parametrize("state", STATES)
def test_an_event_of_another_run_changes_nothing(state: State, event: Any) -> None:
    stale = replace(event, run_id="run-0")
    situation = SITUATIONS[state]
    assert step(situation, stale, SPEC, NOW) == (situation, ())


def test_a_timer_that_is_not_due_changes_nothing() -> None:
    situation = SITUATIONS[State.BACKOFF]
    assert step(situation, happened.BackoffElapsed(), SPEC, NOW - 0.1) == (situation, ())


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
    for code in policy.FATAL_SPAWN_CODES:
        after, _ = run(starting, happened.SpawnFailed(RUN, code, "no such file"))
        assert (after.state, after.reason, after.detail) == (
            State.FATAL,
            Reason.SPAWN_ERROR,
            "no such file",
        )
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


def test_running_to_backoff_when_it_had_not_been_stable() -> None:
    after, effects = run(SITUATIONS[State.RUNNING], happened.Exited(RUN, 3))
    assert (after.state, after.detail) == (State.BACKOFF, "exited with code 3")
    assert effects == [CancelTimer(Timer.STABLE), Sweep(RUN), ArmTimer(Timer.BACKOFF, NOW + 0.5)]


def test_backoff_doubles_up_to_the_cap_and_starts_over_after_stability() -> None:
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


def test_running_to_stopping_signals_and_then_stopped_only_when_the_tree_is_gone() -> None:
    stopping, effects = run(running(), happened.Down())
    assert effects == [
        CancelTimer(Timer.STABLE),
        Signal(RUN, "SIGTERM"),
        ArmTimer(Timer.STOP_TIMEOUT, NOW + 10),
    ]
    ended, effects = run(stopping, happened.Exited(RUN, signal="SIGTERM"))
    assert ended.state is State.STOPPING
    assert Sweep(RUN) in effects
    after, effects = run(ended, happened.TreeGone(RUN))
    assert (after.state, after.reason, after.run_id) == (State.STOPPED, Reason.OPERATOR, "")
    assert effects == [CancelTimer(Timer.STOP_TIMEOUT)]


def test_stopping_kills_after_the_timeout_and_says_so() -> None:
    stopping, _ = run(running(), happened.Down())
    killed, effects = run(stopping, happened.StopTimeout(RUN), now=NOW + 10)
    assert Kill(RUN) in effects
    assert killed.reason is Reason.STOP_TIMEOUT
    again, effects = run(killed, happened.StopTimeout(RUN), now=NOW + 12)
    assert Kill(RUN) in effects
    assert again.state is State.STOPPING
    after, _ = run(again, happened.Exited(RUN, signal="SIGKILL"), happened.TreeGone(RUN))
    assert (after.state, after.reason) == (State.STOPPED, Reason.STOP_TIMEOUT)


def test_down_with_force_kills_at_once_and_a_second_down_with_force_too() -> None:
    _, effects = run(running(), happened.Down(force=True))
    assert Kill(RUN) in effects
    stopping, effects = run(running(), happened.Down())
    assert Kill(RUN) not in effects
    killed, effects = run(stopping, happened.Down(force=True))
    assert Kill(RUN) in effects
    assert run(killed, happened.Down(force=True))[1] == []


def test_stopping_to_waiting_when_wanted_up_again_meanwhile() -> None:
    stopping, _ = run(running(), happened.Down(), happened.Up())
    assert (stopping.state, stopping.intent, stopping.after) == (
        State.STOPPING,
        Intent.UP,
        After.START,
    )
    after, _ = run(stopping, happened.Exited(RUN, 0), happened.TreeGone(RUN))
    assert after.state is State.WAITING


def test_a_restart_while_stopping_after_a_restart_changes_nothing() -> None:
    stopping, effects = run(running(), happened.Restart(), happened.Restart(), happened.Restart())
    assert [effect for effect in effects if isinstance(effect, Signal)] == [Signal(RUN, "SIGTERM")]
    after, _ = run(stopping, happened.Exited(RUN, 0), happened.TreeGone(RUN))
    assert after.state is State.WAITING


def test_down_while_restarting_wins() -> None:
    stopping, _ = run(running(), happened.Restart(), happened.Down())
    after, _ = run(stopping, happened.Exited(RUN, 0), happened.TreeGone(RUN))
    assert (after.state, after.intent) == (State.STOPPED, Intent.DOWN)


def test_an_exit_that_arrives_twice_counts_once() -> None:
    stopping, _ = run(running(), happened.Down(), happened.Exited(RUN, 0))
    assert step(stopping, happened.Exited(RUN, 0), SPEC, NOW) == (stopping, ())
    crashed, _ = run(running(), happened.Exited(RUN, 1))
    assert step(crashed, happened.Exited(RUN, 1), SPEC, NOW) == (crashed, ())


def test_backoff_to_stopped_when_wanted_down_but_not_before_its_tree_is_gone() -> None:
    crashed, _ = run(running(), happened.Exited(RUN, 1))
    after, effects = run(crashed, happened.Down())
    assert after.state is State.STOPPING
    assert CancelTimer(Timer.BACKOFF) in effects
    after, _ = run(after, happened.TreeGone(RUN))
    assert after.state is State.STOPPED
    after, _ = run(crashed, happened.TreeGone(RUN), happened.Down())
    assert after.state is State.STOPPED


def test_backoff_to_waiting_when_wanted_up_now() -> None:
    after, effects = run(SITUATIONS[State.BACKOFF], happened.Up())
    assert (after.state, after.restarts, after.streak) == (State.WAITING, 0, 0)
    assert effects == [CancelTimer(Timer.BACKOFF)]


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


def test_a_healthy_answer_of_a_healthy_service_has_no_effect_at_all() -> None:
    situation, _ = run(running(probing=PROBED.health, timers=()), happened.Probed(RUN, ok=True), spec=PROBED)
    after, effects = step(situation, happened.Probed(RUN, ok=True), PROBED, NOW)
    assert after is situation
    assert effects == ()


def test_shutdown_keeps_the_intent_so_that_the_next_supervisor_starts_it() -> None:
    stopping, _ = run(running(), happened.Shutdown())
    after, _ = run(stopping, happened.Exited(RUN, 0), happened.TreeGone(RUN))
    assert (after.state, after.intent, after.reason) == (State.STOPPED, Intent.UP, Reason.SHUTDOWN)
    booted, _ = run(after, happened.Boot(fresh=True))
    assert (booted.state, booted.reason) == (State.WAITING, Reason.BOOT)


def test_boot_leaves_stopped_what_an_operator_stopped() -> None:
    stopped = Situation(state=State.STOPPED, intent=Intent.DOWN)
    assert step(stopped, happened.Boot(fresh=True), SPEC, NOW) == (stopped, ())


def test_boot_runs_what_had_completed_only_when_everything_starts_afresh() -> None:
    exited = SITUATIONS[State.EXITED]
    assert run(exited, happened.Boot(fresh=False))[0].state is State.EXITED
    assert run(exited, happened.Boot(fresh=True))[0].state is State.WAITING


def test_boot_goes_on_where_a_killed_supervisor_was() -> None:
    backoff = replace(SITUATIONS[State.BACKOFF], timers=())
    after, _ = run(backoff, happened.Boot(fresh=False))
    assert (after.state, after.reason) == (State.WAITING, Reason.CRASH)
    just_failed = SITUATIONS[State.BACKOFF]
    assert run(just_failed, happened.Boot(fresh=False))[0] == just_failed


def test_an_adopted_process_runs_on() -> None:
    after, effects = run(SITUATIONS[State.RUNNING], happened.Adopted(RUN, 4711, age=50.0))
    assert (after.state, after.pid, after.reason) == (State.RUNNING, 4711, Reason.ADOPTED)
    assert effects == [ArmTimer(Timer.STABLE, NOW + 10.0)]


def test_an_adopted_process_that_was_to_stop_is_stopped() -> None:
    after, effects = run(SITUATIONS[State.STOPPING], happened.Adopted(RUN, 4711, age=5.0))
    assert after.state is State.STOPPING
    assert Signal(RUN, "SIGTERM") in effects
    assert after.after is After.STOPPED


def test_an_adopted_process_that_was_restarting_goes_on_restarting() -> None:
    restarting = replace(SITUATIONS[State.STOPPING], intent=Intent.UP)
    after, _ = run(restarting, happened.Adopted(RUN, 4711, age=5.0))
    after, _ = run(after, happened.Exited(RUN, 0), happened.TreeGone(RUN))
    assert after.state is State.WAITING


def test_what_died_while_no_supervisor_looked_comes_back() -> None:
    after, effects = run(SITUATIONS[State.RUNNING], happened.AdoptGone(RUN))
    assert (after.state, after.reason) == (State.BACKOFF, Reason.CRASH)
    assert Sweep(RUN) in effects
    after, _ = run(SITUATIONS[State.STOPPING], happened.AdoptGone(RUN))
    after, _ = run(after, happened.TreeGone(RUN))
    assert after.state is State.STOPPED


def test_after_a_reboot_it_starts_without_a_failure_counted() -> None:
    after, _ = run(SITUATIONS[State.RUNNING], happened.AdoptGone(RUN, rebooted=True))
    assert (after.state, after.reason, after.streak) == (State.WAITING, Reason.BOOT, 0)


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


def test_what_operators_see_is_recorded_exactly_when_it_changes() -> None:
    _, effects = step(running(), happened.Down(), SPEC, NOW)
    assert effects[-1] == Record(State.RUNNING, State.STOPPING)
    _, effects = step(running(), happened.StableElapsed(RUN), SPEC, NOW)
    assert not any(isinstance(effect, Record) for effect in effects)
