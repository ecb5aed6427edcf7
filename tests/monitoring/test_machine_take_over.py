"""What a supervisor that starts or stops makes of a service, by its state machine."""

from dataclasses import replace

from monitoring.states import Intent, Reason, State
from monitoring.supervisor import happenings as happened
from monitoring.supervisor.machine import step
from monitoring.supervisor.situation import (
    After,
    ArmTimer,
    Record,
    Signal,
    Situation,
    Sweep,
    Timer,
)
from tests.monitoring.situations import NOW, RUN, SITUATIONS, SPEC, run, running


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


def test_what_had_not_come_to_its_process_begins_anew_and_has_not_failed() -> None:
    """Scenario 17: killed in a pre-start hook, or before the spawn."""
    after, effects = step(SITUATIONS[State.STARTING], happened.AdoptGone(RUN, spawned=False), SPEC, NOW)
    assert (after.state, after.streak, after.failures) == (State.WAITING, 0, ())
    assert Record(State.STARTING, State.WAITING) in effects
    crashed, _ = run(SITUATIONS[State.STARTING], happened.AdoptGone(RUN))
    assert (crashed.state, crashed.streak) == (State.BACKOFF, 1)


def test_after_a_reboot_it_starts_without_a_failure_counted() -> None:
    """Scenario 20."""
    after, _ = run(SITUATIONS[State.RUNNING], happened.AdoptGone(RUN, rebooted=True))
    assert (after.state, after.reason, after.streak) == (State.WAITING, Reason.BOOT, 0)


def test_only_what_ended_unseen_is_said_to_have_ended_while_nobody_was_looking() -> None:
    unseen, _ = run(SITUATIONS[State.RUNNING], happened.AdoptGone(RUN))
    assert unseen.detail == "ended while no supervisor was looking"
    # We watched it, but only its parent is told how it ended, and that is not us.
    adopted, _ = run(SITUATIONS[State.RUNNING], happened.Adopted(RUN, 4711, age=50.0))
    watched, _ = run(adopted, happened.Exited(RUN))
    assert watched.detail == "ended; its exit code is not known"
    vanished, _ = run(adopted, happened.TreeGone(RUN))
    assert vanished.detail == "ended; its exit code is not known"
