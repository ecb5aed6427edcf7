"""What the supervisor's machine promises to hold after every event, whatever came before."""

from hypothesis.stateful import invariant

from monitoring.states import LIVE, Hook, Intent, Reason, State
from monitoring.supervisor.situation import Timer
from tests.properties.supervised_world import World


class Promises(World):
    """The invariants of one service in its world."""

    was_changed: bool
    """The declaration is not the first one any more."""

    @invariant()
    def at_most_one_run_lives(self) -> None:
        assert len(self.trees) <= 1
        assert self.leaders <= self.trees
        if self.trees:
            assert self.situation.run_id in self.trees

    @invariant()
    def no_process_is_forgotten(self) -> None:
        if self.leaders:
            assert self.situation.state in LIVE
        if self.situation.state is State.STOPPED:
            assert not self.trees

    @invariant()
    def timers_never_leak(self) -> None:
        assert self.timers == dict(self.situation.timers)
        if self.situation.state in (State.STOPPED, State.EXITED, State.WAITING):
            assert not self.timers
        if self.situation.state is State.FATAL:
            assert self.timers.keys() <= {Timer.RETRY}

    @invariant()
    def probes_run_only_for_a_living_process(self) -> None:
        if self.probing:
            assert self.situation.state in (State.STARTING, State.RUNNING)
            assert self.probing in self.leaders

    @invariant()
    def what_goes_with_a_run_goes_with_the_current_one(self) -> None:
        current = self.situation.run_id
        assert (self.hook[1] if self.hook else None) is self.situation.hook
        assert not self.hook or self.hook[0] == current
        assert bool(self.asking) is self.situation.asking
        assert self.asking in ("", current)
        assert self.awaiting in ("", current)
        if self.asking:
            assert Timer.STOP_REQUEST in self.timers, "a request that is waited for without end"

    @invariant()
    def a_hook_runs_in_its_own_time_alone(self) -> None:
        s = self.situation
        fits = {
            None: True,
            Hook.PRE_START: s.state is State.STARTING and s.pid is None,
            Hook.POST_START: s.state is State.RUNNING,
            Hook.PRE_STOP: s.state is State.STOPPING,
            Hook.POST_STOP: s.pid is None and s.tree_gone and s.state not in (State.STARTING, State.RUNNING),
        }
        assert fits[s.hook], f"{s.hook} in {s.state}"

    @invariant()
    def nothing_is_stopped_without_an_end(self) -> None:
        """Whatever is STOPPING, a timer, a command or the sweep of its tree brings it on."""
        s = self.situation
        if s.state is State.STOPPING and s.pid is not None:
            assert self.hook or self.timers

    @invariant()
    def a_scheduled_service_is_not_tried_again_between_its_times(self) -> None:
        if self.situation.state is State.BACKOFF and self.situation.cause is not Reason.NONE:
            assert not self.spec.schedule or self.was_changed

    @invariant()
    def a_failing_service_is_not_started_without_a_wait_for_ever(self) -> None:
        if self.situation.state is State.BACKOFF:
            assert self.timers.get(Timer.BACKOFF, 0) > self.now

    @invariant()
    def wanted_down_means_no_way_up(self) -> None:
        if self.situation.intent is Intent.DOWN:
            assert self.situation.state in (State.STOPPED, State.STOPPING)
