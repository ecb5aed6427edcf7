"""How a service is asked to end before it gets a signal, by the supervisor's state machine."""

from dataclasses import replace

import pytest

from monitoring.states import Hook, Intent, Reason, State
from monitoring.supervisor import happenings as happened
from monitoring.supervisor.situation import (
    ArmTimer,
    AskToStop,
    CancelTimer,
    Kill,
    Signal,
    Situation,
    Spawn,
    StopAsking,
    Sweep,
    Timer,
)
from monitoring.supervisor.spec import StopRequest
from tests.monitoring.situations import NOW, RUN, SITUATIONS, SPEC, run, running

BY_URL = replace(SPEC, stop_request=StopRequest(url="http://127.0.0.1:8001/shutdown", seconds=5.0))
BY_COMMAND = replace(SPEC, stop_request=StopRequest(command=("stop-it",), seconds=5.0))
SOON = NOW + 5.0


def asked(spec: object = BY_URL) -> Situation:
    return run(running(), happened.Down(), spec=spec)[0]  # type: ignore[arg-type]  # one of the two above


def test_it_is_asked_first_and_not_signalled_while_it_has_time() -> None:
    stopping, effects = run(running(), happened.Down(), spec=BY_URL)
    assert effects == [CancelTimer(Timer.STABLE), ArmTimer(Timer.STOP_REQUEST, SOON), AskToStop(RUN)]
    assert (stopping.state, stopping.asking) == (State.STOPPING, True)
    agreed, effects = run(stopping, happened.StopAsked(RUN, ok=True), spec=BY_URL)
    assert (agreed.asking, effects) == (False, [])
    assert agreed.due(Timer.STOP_REQUEST) == SOON


def test_it_ends_by_itself_and_never_sees_a_signal() -> None:
    after, effects = run(
        asked(),
        happened.StopAsked(RUN, ok=True),
        happened.Exited(RUN, 0),
        happened.TreeGone(RUN),
        spec=BY_URL,
    )
    assert (after.state, after.reason, after.timers) == (State.STOPPED, Reason.OPERATOR, ())
    assert not [effect for effect in effects if isinstance(effect, Signal | Kill)]


def test_a_request_that_fails_is_followed_by_the_signal_at_once() -> None:
    after, effects = run(asked(), happened.StopAsked(RUN, False, "connection refused"), spec=BY_URL)
    assert effects == [
        CancelTimer(Timer.STOP_REQUEST),
        Signal(RUN, "SIGTERM"),
        ArmTimer(Timer.STOP_TIMEOUT, NOW + 10),
    ]
    assert after.detail == "The request to stop failed: connection refused"


@pytest.mark.parametrize("answered", [True, False])
def test_what_is_still_there_after_its_time_gets_the_signal_and_then_the_kill(answered: bool) -> None:
    before = asked()
    if answered:
        before, _ = run(before, happened.StopAsked(RUN, ok=True), spec=BY_URL)
    signalled, effects = run(before, happened.StopRequestTimeout(RUN), spec=BY_URL, now=SOON)
    assert Signal(RUN, "SIGTERM") in effects
    assert (StopAsking() in effects) is not answered
    assert signalled.detail == "Asked to stop, it was still there after 5 s."
    killed, effects = run(signalled, happened.StopTimeout(RUN), spec=BY_URL, now=SOON + 10)
    assert Kill(RUN) in effects
    assert killed.reason is Reason.STOP_TIMEOUT


def test_an_answer_that_comes_too_late_changes_nothing() -> None:
    signalled, _ = run(asked(), happened.StopRequestTimeout(RUN), spec=BY_URL, now=SOON)
    for ok in (True, False):
        assert run(signalled, happened.StopAsked(RUN, ok), spec=BY_URL) == (signalled, [])


def test_scenario_11_a_second_stop_with_force_kills_although_it_was_asked() -> None:
    after, effects = run(asked(), happened.Down(force=True), spec=BY_URL)
    assert StopAsking() in effects
    assert Kill(RUN) in effects
    assert [name for name, _ in after.timers] == [Timer.STOP_TIMEOUT]


def test_a_request_comes_after_the_pre_stop_hook() -> None:
    spec = replace(BY_URL, hooks=((Hook.PRE_STOP, ("hook",)),))
    before, effects = run(running(), happened.Down(), spec=spec)
    assert AskToStop(RUN) not in effects
    _, effects = run(before, happened.HookEnded(RUN, Hook.PRE_STOP, ok=True), spec=spec)
    assert AskToStop(RUN) in effects


def test_without_time_for_the_signal_it_is_killed_once_it_was_asked() -> None:
    spec = replace(BY_URL, stop_timeout=0.0)
    stopping, effects = run(running(), happened.Down(), spec=spec)
    assert AskToStop(RUN) in effects
    _, effects = run(stopping, happened.StopRequestTimeout(RUN), spec=spec, now=SOON)
    assert Kill(RUN) in effects


def test_a_stop_command_that_outlives_its_service_is_waited_for() -> None:
    gone, effects = run(asked(BY_COMMAND), happened.Exited(RUN, 0), happened.TreeGone(RUN), spec=BY_COMMAND)
    assert StopAsking() not in effects
    assert (gone.state, gone.asking) == (State.STOPPING, True)
    after, _ = run(gone, happened.StopAsked(RUN, ok=True), spec=BY_COMMAND)
    assert (after.state, after.timers) == (State.STOPPED, ())


def test_a_stop_command_that_outlives_its_service_is_waited_for_within_its_time() -> None:
    gone, _ = run(asked(BY_COMMAND), happened.Exited(RUN, 0), happened.TreeGone(RUN), spec=BY_COMMAND)
    after, effects = run(gone, happened.StopRequestTimeout(RUN), spec=BY_COMMAND, now=SOON)
    assert (after.state, after.run_id) == (State.STOPPED, "")
    assert StopAsking() in effects


def test_the_answer_to_a_post_is_not_waited_for_once_it_has_ended() -> None:
    after, effects = run(asked(), happened.Exited(RUN, 0), happened.TreeGone(RUN), spec=BY_URL)
    assert StopAsking() in effects
    assert after.state is State.STOPPED


def test_a_request_that_was_under_way_is_made_again_by_the_next_supervisor() -> None:
    left = replace(SITUATIONS[State.STOPPING], timers=(), pid=None)
    after, effects = run(left, happened.Adopted(RUN, 4711, 5.0), spec=BY_URL)
    assert AskToStop(RUN) in effects
    assert (after.state, after.intent) == (State.STOPPING, Intent.DOWN)


def test_a_restart_asks_too_and_a_start_that_comes_meanwhile_is_not_lost() -> None:
    stopping, effects = run(running(), happened.Restart(), spec=BY_URL)
    assert AskToStop(RUN) in effects
    after, _ = run(stopping, happened.Up(), happened.Exited(RUN, 0), happened.TreeGone(RUN), spec=BY_URL)
    assert after.state is State.WAITING


def stopping_and_restarting() -> Situation:
    return run(running(), happened.Restart())[0]


@pytest.mark.parametrize("killed", [False, True], ids=["before the stop timer", "after the kill timer"])
@pytest.mark.parametrize("times", [1, 2])
def test_scenario_3_an_exit_while_stopping_counts_once_whenever_it_comes(killed: bool, times: int) -> None:
    situation = stopping_and_restarting()
    if killed:
        situation, effects = run(situation, happened.StopTimeout(RUN), now=NOW + 10)
        assert Kill(RUN) in effects
    exits = [happened.Exited(RUN, 0)] * times
    ended, effects = run(situation, *exits)
    assert [effect for effect in effects if isinstance(effect, Sweep)] == [Sweep(RUN)]
    assert ended.state is State.STOPPING
    waiting, _ = run(ended, happened.TreeGone(RUN), *exits, happened.TreeGone(RUN))
    assert (waiting.state, waiting.streak, waiting.failures) == (State.WAITING, 0, ())
    _, effects = run(waiting, happened.Admitted("run-2"), happened.Exited(RUN, 0), happened.TreeGone(RUN))
    assert effects == [Spawn("run-2")]


def test_scenario_3_an_exit_before_and_a_stop_timer_after_the_restart_was_queued() -> None:
    down, _ = run(running(), happened.Down(), happened.Up())
    assert (down.state, down.intent) == (State.STOPPING, Intent.UP)
    after, effects = run(down, happened.Exited(RUN, 0), happened.StopTimeout(RUN), happened.TreeGone(RUN))
    assert after.state is State.WAITING
    assert not [effect for effect in effects if isinstance(effect, Kill)]
