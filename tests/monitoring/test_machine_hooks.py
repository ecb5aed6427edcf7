"""What hooks do to a service, by the supervisor's state machine."""

from dataclasses import replace
from typing import Any

import pytest

from monitoring.states import Hook, Intent, Reason, RestartPolicy, State
from monitoring.supervisor import happenings as happened
from monitoring.supervisor.machine import step
from monitoring.supervisor.situation import CancelHook, Kill, RunHook, Signal, Situation, Spawn, Sweep, Tell
from monitoring.supervisor.spec import ServiceSpec
from tests.monitoring.situations import NOW, RUN, SITUATIONS, SPEC, run, running

ALL = replace(SPEC, hooks=tuple((hook, (f"run-{hook}",)) for hook in Hook))


def ended(hook: Hook, ok: bool = True, run_id: str = RUN) -> happened.HookEnded:
    return happened.HookEnded(run_id, hook, ok, "" if ok else "exited with code 3: disk is full")


def only(hook: Hook, **changes: Any) -> ServiceSpec:
    return replace(SPEC, hooks=((hook, ("command",)),), **changes)


def starting(spec: ServiceSpec = ALL) -> Situation:
    """Return a service whose pre-start hook runs."""
    return run(SITUATIONS[State.WAITING], happened.Admitted(RUN), spec=spec)[0]


def test_a_process_is_spawned_once_its_pre_start_hook_has_succeeded() -> None:
    before, effects = run(SITUATIONS[State.WAITING], happened.Admitted(RUN), spec=ALL)
    assert effects == [RunHook(RUN, Hook.PRE_START)]
    assert (before.state, before.pid, before.run_id) == (State.STARTING, None, RUN)
    after, effects = run(before, ended(Hook.PRE_START), spec=ALL)
    assert effects == [Spawn(RUN)]
    assert after.hook is None


def test_a_pre_start_hook_that_fails_is_a_failed_start() -> None:
    after, effects = run(starting(), ended(Hook.PRE_START, ok=False), spec=ALL)
    assert (after.state, after.reason, after.run_id) == (State.BACKOFF, Reason.HOOK_FAILED, "")
    assert after.detail == "Its pre-start command failed: exited with code 3: disk is full"
    assert not [effect for effect in effects if isinstance(effect, Spawn | RunHook)]


def test_a_pre_start_hook_that_fails_is_tried_again_whatever_becomes_of_exits() -> None:
    """As a spawn that fails: the restart policy is about exits."""
    spec = only(Hook.PRE_START, restart=RestartPolicy.NEVER)
    assert run(starting(spec), ended(Hook.PRE_START, ok=False), spec=spec)[0].state is State.BACKOFF


@pytest.mark.parametrize("force", [False, True])
def test_down_while_its_pre_start_hook_runs_ends_it_at_once(force: bool) -> None:
    after, effects = run(starting(), happened.Down(force), spec=ALL)
    assert (after.state, after.intent, after.run_id) == (State.STOPPED, Intent.DOWN, "")
    assert effects == [CancelHook(RUN, Hook.PRE_START)]
    assert run(after, ended(Hook.PRE_START), spec=ALL) == (after, [])


def test_restart_while_its_pre_start_hook_runs_begins_again() -> None:
    after, effects = run(starting(), happened.Restart(), spec=ALL)
    assert (after.state, after.run_id) == (State.WAITING, "")
    assert effects == [CancelHook(RUN, Hook.PRE_START)]


def test_new_settings_while_its_pre_start_hook_runs_are_not_pending() -> None:
    assert not run(starting(), happened.SpecChanged(process_differs=True), spec=ALL)[0].needs_restart


def test_a_post_start_hook_runs_once_it_is_ready_and_its_failure_is_told_and_no_more() -> None:
    after, effects = run(SITUATIONS[State.STARTING], happened.ReadyElapsed(RUN), spec=ALL)
    assert RunHook(RUN, Hook.POST_START) in effects
    assert after.state is State.RUNNING
    told, effects = run(after, ended(Hook.POST_START, ok=False), spec=ALL)
    assert told == replace(after, hook=None)
    (tell,) = effects
    assert tell == Tell(Reason.HOOK_FAILED, "Its post-start command failed: exited with code 3: disk is full")


@pytest.mark.parametrize(
    "event", [happened.Down(), happened.Exited(RUN, 1), happened.Recycle(RUN, Reason.MEMORY, "")]
)
def test_a_post_start_hook_does_not_outlive_its_process(event: happened.Event) -> None:
    after, effects = run(running(hook=Hook.POST_START), event, spec=only(Hook.POST_START))
    assert CancelHook(RUN, Hook.POST_START) in effects
    assert after.hook is None
    assert run(after, ended(Hook.POST_START), spec=ALL) == (after, [])


def test_the_stop_signal_waits_for_the_pre_stop_hook_and_no_longer_when_that_fails() -> None:
    before, effects = run(running(), happened.Down(), spec=ALL)
    assert (before.state, before.hook) == (State.STOPPING, Hook.PRE_STOP)
    assert not [effect for effect in effects if isinstance(effect, Signal | Kill)]
    for ok in (True, False):
        _, effects = run(before, ended(Hook.PRE_STOP, ok), spec=ALL)
        assert Signal(RUN, "SIGTERM") in effects
        assert any(isinstance(effect, Tell) for effect in effects) is not ok


def test_a_pre_stop_hook_that_ends_its_service_is_waited_for() -> None:
    """It may have something to do once the process is gone."""
    spec = only(Hook.PRE_STOP)
    gone, effects = run(
        running(), happened.Down(), happened.Exited(RUN, 0), happened.TreeGone(RUN), spec=spec
    )
    assert (gone.state, gone.hook, gone.timers) == (State.STOPPING, Hook.PRE_STOP, ())
    assert not [effect for effect in effects if isinstance(effect, CancelHook)]
    after, _ = run(gone, ended(Hook.PRE_STOP), spec=spec)
    assert (after.state, after.run_id) == (State.STOPPED, "")


def test_a_pre_stop_hook_that_ends_before_the_tree_does_not_make_it_stopped() -> None:
    spec = only(Hook.PRE_STOP)
    after, _ = run(running(), happened.Down(), happened.Exited(RUN, 0), ended(Hook.PRE_STOP), spec=spec)
    assert (after.state, after.run_id) == (State.STOPPING, RUN)
    assert run(after, happened.TreeGone(RUN), spec=spec)[0].state is State.STOPPED


@pytest.mark.parametrize("event", [happened.Down(force=True), happened.Shutdown(force=True)])
def test_a_second_stop_with_force_ends_the_hook_and_kills(event: happened.Event) -> None:
    before, _ = run(running(), happened.Down(), spec=ALL)
    after, effects = run(before, event, spec=ALL)
    assert CancelHook(RUN, Hook.PRE_STOP) in effects
    assert Kill(RUN) in effects
    assert (after.state, after.hook, after.killed) == (State.STOPPING, None, True)


def test_a_second_stop_with_force_does_not_wait_for_what_outlives_its_process() -> None:
    gone, _ = run(running(), happened.Down(), happened.Exited(RUN, 0), happened.TreeGone(RUN), spec=ALL)
    assert gone.hook is Hook.PRE_STOP
    after, effects = run(gone, happened.Down(force=True), spec=ALL)
    assert (after.state, effects) == (State.STOPPED, [CancelHook(RUN, Hook.PRE_STOP)])


def test_stopped_only_once_the_post_stop_hook_has_ended() -> None:
    spec = only(Hook.POST_STOP)
    gone, effects = run(
        running(), happened.Down(), happened.Exited(RUN, 0), happened.TreeGone(RUN), spec=spec
    )
    assert effects[-1] == RunHook(RUN, Hook.POST_STOP)
    assert (gone.state, gone.run_id, gone.timers) == (State.STOPPING, RUN, ())
    for ok in (True, False):
        after, _ = run(gone, ended(Hook.POST_STOP, ok), spec=spec)
        assert (after.state, after.reason, after.run_id) == (State.STOPPED, Reason.OPERATOR, "")


def test_nothing_is_spawned_while_a_post_stop_hook_runs() -> None:
    spec = only(Hook.POST_STOP)
    gone, _ = run(running(stable=True), happened.Exited(RUN, 1), happened.TreeGone(RUN), spec=spec)
    assert (gone.state, gone.hook, gone.run_id) == (State.WAITING, Hook.POST_STOP, RUN)
    assert run(gone, happened.Admitted("run-2"), spec=spec) == (gone, [])
    free, _ = run(gone, ended(Hook.POST_STOP), spec=spec)
    assert run(free, happened.Admitted("run-2"), spec=spec)[1] == [Spawn("run-2")]


def test_a_post_stop_hook_runs_once_even_if_the_end_is_told_twice() -> None:
    spec = only(Hook.POST_STOP)
    for first in (happened.Down(), happened.Exited(RUN, 1)):
        gone, _ = run(running(), first, happened.Exited(RUN, 1), happened.TreeGone(RUN), spec=spec)
        assert gone.hook is Hook.POST_STOP
        assert run(gone, happened.TreeGone(RUN), spec=spec) == (gone, [])


def test_down_during_the_post_stop_hook_of_a_crash_waits_for_it_and_force_does_not() -> None:
    spec = only(Hook.POST_STOP)
    gone, _ = run(running(), happened.Exited(RUN, 1), happened.TreeGone(RUN), spec=spec)
    assert gone.state is State.BACKOFF
    down, effects = run(gone, happened.Down(), spec=spec)
    assert (down.state, down.hook) == (State.STOPPING, Hook.POST_STOP)
    assert not [effect for effect in effects if isinstance(effect, Sweep)]
    assert run(down, ended(Hook.POST_STOP), spec=spec)[0].state is State.STOPPED
    forced, effects = run(gone, happened.Down(force=True), spec=spec)
    assert forced.state is State.STOPPED
    assert CancelHook(RUN, Hook.POST_STOP) in effects


def test_a_forced_shutdown_ends_the_post_stop_hook_of_what_has_ended() -> None:
    spec = only(Hook.POST_STOP, restart=RestartPolicy.NEVER)
    gone, _ = run(running(), happened.Exited(RUN, 1), happened.TreeGone(RUN), spec=spec)
    assert gone.state is State.EXITED
    assert run(gone, happened.Shutdown(), spec=spec) == (gone, [])
    after, effects = run(gone, happened.Shutdown(force=True), spec=spec)
    assert (after.state, after.run_id) == (State.EXITED, "")
    assert effects == [CancelHook(RUN, Hook.POST_STOP)]


def test_a_run_that_ended_unseen_gets_its_post_stop_hook() -> None:
    spec = only(Hook.POST_STOP)
    after, effects = run(running(), happened.AdoptGone(RUN), happened.TreeGone(RUN), spec=spec)
    assert Sweep(RUN) in effects
    assert after.hook is Hook.POST_STOP


def test_a_stop_that_was_in_its_hook_is_carried_on_from_the_hook() -> None:
    left = replace(SITUATIONS[State.STOPPING], timers=(), pid=None)
    after, effects = run(left, happened.Adopted(RUN, 4711, 5.0), spec=ALL)
    assert (after.state, after.hook) == (State.STOPPING, Hook.PRE_STOP)
    assert effects == [RunHook(RUN, Hook.PRE_STOP)]


@pytest.mark.parametrize("hook", Hook)
@pytest.mark.parametrize("state", SITUATIONS)
def test_the_end_of_a_hook_that_does_not_run_changes_nothing(state: State, hook: Hook) -> None:
    for run_id in (RUN, "run-0"):
        situation = SITUATIONS[state]
        assert step(situation, ended(hook, run_id=run_id), ALL, NOW) == (situation, ())


def test_without_hooks_there_are_none_of_their_effects() -> None:
    _, effects = run(
        SITUATIONS[State.WAITING],
        happened.Admitted(RUN),
        happened.Spawned(RUN, 4711),
        happened.Exited(RUN, 1),
        happened.TreeGone(RUN),
    )
    assert not [effect for effect in effects if isinstance(effect, RunHook | CancelHook | Tell)]
