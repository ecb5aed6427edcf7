"""Carries out what the machine decides: each effect is a deed of one of the supervisor's parts."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from monitoring.states import Hook, State
from monitoring.supervisor import happenings as happened
from monitoring.supervisor import situation as to
from monitoring.supervisor.admission import (
    PLACE_SECONDS,
    PLACE_SECONDS_UNPROBED,
    SETTLING_SECONDS,
    Admission,
)
from monitoring.supervisor.ending import Ending
from monitoring.supervisor.entry import Entry
from monitoring.supervisor.happenings import Event
from monitoring.supervisor.hearing import Hearing
from monitoring.supervisor.hook_commands import HookCommands
from monitoring.supervisor.identity import read_stat
from monitoring.supervisor.prober import Prober
from monitoring.supervisor.readiness import is_told
from monitoring.supervisor.recording import Recorder
from monitoring.supervisor.situation import Effect, Timer
from monitoring.supervisor.spawn_problems import SpawnError, SpawnFailed
from monitoring.supervisor.starting import Starter
from monitoring.supervisor.stop_requests import StopRequests

log = logging.getLogger(__name__)
_LOADING = frozenset("RD")
"""The states, as in proc(5), of a process that computes or waits for the disk."""
_TIMER_EVENTS: dict[Timer, type[Any]] = {timer: event for event, timer in happened.TIMERS.items()}


class Carrying:
    """All of it happens at once, in the loop's turn; what takes longer comes back as an event."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        feed: Callable[[Entry, Event], None],
        wake: Callable[[], None],
        starter: Starter,
        admission: Admission,
        ending: Ending,
        prober: Prober,
        hooks: HookCommands,
        requests: StopRequests,
        hearing: Hearing,
        recorder: Recorder,
    ) -> None:
        """``feed`` gives an event to the machine; ``wake`` is called when a place to start is free."""
        self._loop = loop
        self._feed = feed
        self._wake = wake
        self._starter = starter
        self._admission = admission
        self._ending = ending
        self._prober = prober
        self._hooks = hooks
        self._requests = requests
        self._hearing = hearing
        self._recorder = recorder
        self._deeds: dict[type[Effect], Callable[[Entry, Any], None]] = {
            to.Spawn: self._spawn,
            to.Signal: self._signal,
            to.Kill: self._kill,
            to.Sweep: self._sweep,
            to.ArmTimer: self._arm,
            to.CancelTimer: self._disarm,
            to.StartProbing: self._start_probing,
            to.StopProbing: self._stop_probing,
            to.RunHook: self._run_hook,
            to.CancelHook: self._cancel_hook,
            to.AskToStop: self._ask,
            to.StopAsking: self._ask_no_more,
            to.WatchReady: self._watch_ready,
            to.UnwatchReady: self._unwatch_ready,
            to.Tell: self._tell,
        }

    def carry_out(self, entry: Entry, effect: Effect) -> None:
        """Do what ``effect`` says; all of them but Record."""
        self._deeds[type(effect)](entry, effect)

    # --- processes --------------------------------------------------------------------------------

    def _spawn(self, entry: Entry, effect: to.Spawn) -> None:
        run_id = effect.run_id
        self._admission.take_place(entry.key, run_id)
        try:
            process = self._starter.start(entry, run_id, self._hearing.listen)
        except SpawnError as error:
            log.warning("%s: %s", entry.key, error.detail)
            self._admission.leave_place(entry.key)
            self._feed(entry, happened.SpawnFailed(run_id, error.code, error.detail, error.hopeless))
            return
        except Exception as error:  # a service that nobody knows how to start must not wait for ever
            log.exception("%s: the start failed in an unforeseen way", entry.key)
            self._admission.leave_place(entry.key)
            detail = f"{type(error).__name__}: {error}"
            self._feed(entry, happened.SpawnFailed(run_id, SpawnFailed.code, detail))
            return
        if is_told(entry.spec):
            self._loop.call_later(PLACE_SECONDS, self._place_over, entry.key, run_id)
        else:
            latest = self._loop.time() + PLACE_SECONDS_UNPROBED
            self._loop.call_later(SETTLING_SECONDS, self._settled, entry, run_id, latest)
        self._ending.watch(entry)
        self._recorder.begun(entry)
        self._feed(entry, happened.Spawned(run_id, process.identity.pid))

    def _settled(self, entry: Entry, run_id: str, latest: float) -> None:
        """Free the place of a start once the process rests for the first time."""
        process = entry.process
        if process is not None and process.identity.run_id == run_id and self._loop.time() < latest:
            stat = read_stat(process.identity.pid)
            if stat is not None and stat.state in _LOADING:
                self._loop.call_later(SETTLING_SECONDS, self._settled, entry, run_id, latest)
                return
        self._place_over(entry.key, run_id)

    def _place_over(self, key: str, run_id: str) -> None:
        self._admission.leave_place(key, run_id)
        self._wake()

    def _signal(self, entry: Entry, effect: to.Signal) -> None:
        if entry.process is not None:
            entry.process.signal(effect.signal)

    def _kill(self, entry: Entry, effect: to.Kill) -> None:
        del effect
        self._ending.kill(entry)

    def _sweep(self, entry: Entry, effect: to.Sweep) -> None:
        self._ending.sweep(entry, effect.run_id)

    # --- what goes with them -------------------------------------------------------------------------

    def _run_hook(self, entry: Entry, effect: to.RunHook) -> None:
        if effect.hook is Hook.PRE_START:
            self._admission.take_place(entry.key, effect.run_id)
            self._loop.call_later(PLACE_SECONDS, self._place_over, entry.key, effect.run_id)
        self._hooks.run(entry, effect.run_id, effect.hook)

    def _cancel_hook(self, entry: Entry, effect: to.CancelHook) -> None:
        self._hooks.cancel(entry, effect.hook)

    def _ask(self, entry: Entry, effect: to.AskToStop) -> None:
        self._requests.ask(entry, effect.run_id)

    def _ask_no_more(self, entry: Entry, effect: to.StopAsking) -> None:
        del effect
        self._requests.cancel(entry.key)

    def _watch_ready(self, entry: Entry, effect: to.WatchReady) -> None:
        self._hearing.await_ready(entry, effect.run_id, effect.readiness)

    def _unwatch_ready(self, entry: Entry, effect: to.UnwatchReady) -> None:
        del effect
        self._hearing.await_no_more(entry.key)

    def _tell(self, entry: Entry, effect: to.Tell) -> None:
        self._recorder.tell(entry, effect.reason, effect.detail)

    # --- clocks -----------------------------------------------------------------------------------

    def _arm(self, entry: Entry, effect: to.ArmTimer) -> None:
        handle = entry.timers.pop(effect.timer, None)
        if handle is not None:
            handle.cancel()
        entry.timers[effect.timer] = self._loop.call_at(effect.at, self._timer, entry, effect.timer)

    def _disarm(self, entry: Entry, effect: to.CancelTimer) -> None:
        handle = entry.timers.pop(effect.timer, None)
        if handle is not None:
            handle.cancel()

    def _timer(self, entry: Entry, timer: Timer) -> None:
        entry.timers.pop(timer, None)
        event: Any = _TIMER_EVENTS[timer]
        if issubclass(event, happened.ProcessEvent):
            self._feed(entry, event(entry.situation.run_id))
        else:
            self._feed(entry, event())

    # --- probes -----------------------------------------------------------------------------------

    def _start_probing(self, entry: Entry, effect: to.StartProbing) -> None:
        starting = entry.state is State.STARTING
        self._prober.start(entry.key, effect.run_id, effect.check, starting=starting, spec=entry.spec)

    def _stop_probing(self, entry: Entry, effect: to.StopProbing) -> None:
        del effect
        self._prober.stop(entry.key)
