"""How a service is stopped and restarted, by the supervisor's state machine."""

from monitoring.states import Intent, Reason, State
from monitoring.supervisor import happenings as happened
from monitoring.supervisor.machine import step
from monitoring.supervisor.situation import (
    ArmTimer,
    CancelTimer,
    Kill,
    Signal,
    Sweep,
    Timer,
)
from tests.monitoring.situations import NOW, RUN, SPEC, run, running


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
    """Scenario 3."""
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
