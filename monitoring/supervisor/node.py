"""The supervisor of one node: one loop, in which events become steps of the machine, and effects deeds.

Nothing here waits: not for the database (a thread of its own takes rows from a queue), not for a probe,
not for a process. The exit of a process and the start of its successor happen in the same turn.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

from monitoring.states import LIVE, Reason, State
from monitoring.supervisor import happenings as happened
from monitoring.supervisor.admission import Admission, startable
from monitoring.supervisor.adoption import take_over
from monitoring.supervisor.carrying import Carrying
from monitoring.supervisor.closing import Closing
from monitoring.supervisor.commands import CommandRunner
from monitoring.supervisor.declaring import Declaring
from monitoring.supervisor.ending import Ending
from monitoring.supervisor.entry import Entry
from monitoring.supervisor.happenings import Event
from monitoring.supervisor.hearing import Hearing
from monitoring.supervisor.hook_commands import HookCommands
from monitoring.supervisor.identity import Identity
from monitoring.supervisor.journal import JournalEntry
from monitoring.supervisor.machine import step
from monitoring.supervisor.measuring import Measuring
from monitoring.supervisor.operations_desk import OperationsDesk
from monitoring.supervisor.orphans import Orphans
from monitoring.supervisor.prober import Prober
from monitoring.supervisor.probes import ProbeResult
from monitoring.supervisor.recording import Recorder
from monitoring.supervisor.records import (
    HANDED_OVER,
    HANDED_OVER_DETAIL,
    Declared,
    Opening,
    Order,
    TakenOver,
)
from monitoring.supervisor.recycling import Recycling
from monitoring.supervisor.scheduling import Scheduling
from monitoring.supervisor.situation import Record, Situation
from monitoring.supervisor.starting import Starter
from monitoring.supervisor.stop_requests import StopRequests
from monitoring.supervisor.store import Store
from monitoring.tallies import count_probe

log = logging.getLogger(__name__)


class Supervisor:
    """Looks after the services of one node until :meth:`stop`. Made and used on the loop's thread."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        store: Store,
        starter: Starter,
        measuring: Measuring,
        *,
        orphans: Orphans | None = None,
        draw: Callable[[float, float], float] = random.uniform,
        noticed: Callable[[Entry], None] = lambda _: None,
    ) -> None:
        """``draw`` gives jitter; ``noticed`` is called after every change that operators can see."""
        self.entries: dict[str, Entry] = {}
        self.done: asyncio.Future[int] = loop.create_future()
        """The exit code, once all has ended."""
        self._loop = loop
        self._store = store
        self._starter = starter
        self._measuring = measuring
        self._draw = draw
        self._noticed = noticed
        self._inbox: deque[tuple[Entry, Event, Callable[[], None] | None]] = deque()
        self._draining = False
        self._living: dict[str, Identity] | None = None
        """The runs that are measured; None: to be found anew, since something has happened."""
        self._admission = Admission(self.entries, self._held_back)
        self._desk = OperationsDesk(
            self.entries, loop, self.feed, store.queue.put, self._admission.dependents
        )
        self._recorder = Recorder(store.queue, self._desk.operation_of)
        self._declaring = Declaring(
            self.entries, self.feed, self._admission, self._desk.target_gone, self._buried
        )
        self._closing = Closing(self.entries, self.feed, self._admission.dependents)
        self._recycling = Recycling(self.entries, loop, self.feed)
        measuring.measured = self._recycling.look
        self._probing, self._commands = (
            CommandRunner(loop, node=starter.node, data_dir=starter.data_dir, nofile=starter.nofile)
            for _ in range(2)
        )
        prober = Prober(loop, self._probed, draw, commands=self._probing, took=count_probe)
        place = Path(starter.data_dir) / "notify" / quote(starter.node, safe="")
        self._hearing = Hearing(
            loop, self.entries, place, self.feed, served=self._recycling.served, well=prober.heard
        )
        self._scheduling = Scheduling(loop, self.entries, self.feed, self._rescheduled)
        self._ending = Ending(
            loop,
            self.entries,
            starter,
            self._recorder,
            measuring.cache,
            feed=self.feed,
            wake=self._drain,
            orphans=orphans,
            commands=lambda: self._probing.pids | self._commands.pids,
        )
        self._carrying = Carrying(
            loop,
            feed=self.feed,
            wake=self._drain,
            starter=starter,
            admission=self._admission,
            ending=self._ending,
            prober=prober,
            hooks=HookCommands(loop, self._commands, starter, self.feed),
            requests=StopRequests(loop, self._commands, self.feed),
            hearing=self._hearing,
            recorder=self._recorder,
        )

    # --- the beginning and the end ----------------------------------------------------------------

    def open(self, opening: Opening, journal: dict[str, JournalEntry]) -> None:
        """Take over what lives, and start what is wanted up."""
        self._declaring.begin(opening.declared)
        self._admission.allow(opening.start_concurrency)
        starter = self._starter
        found = take_over(
            self.entries, journal, opening.rebooted, node=starter.node, data_dir=starter.data_dir
        )
        self._admission.declarations_changed()
        runs = tuple(one.entry.run for one in found if one.entry.run is not None)
        self._store.connect(self, self._loop.call_soon_threadsafe, TakenOver(datetime.now(UTC), runs))
        for one in found:
            if one.entry.process is not None:
                self._ending.watch(one.entry)
                self._listen(one.entry)
            else:
                self._recorder.lost(one.entry)
            if one.unwritten is not None:
                starter.write_down(one.unwritten)
            for surplus in one.surplus:
                self._ending.sweep_surplus(one.entry.key, surplus)
            for event in one.events:
                self.feed(one.entry, event)
        adopted = sum(entry.process is not None for entry in self.entries.values())
        if adopted:
            log.info("took over %d running service(s)", adopted)
        self._draining = True  # all of them wait before the first is admitted: priority decides
        for entry in list(self.entries.values()):
            self.feed(entry, happened.Boot(opening.fresh))
            if entry.spec.builtin and entry.situation.needs_restart:
                self.feed(entry, happened.Restart(Reason.CONFIG))
        self._draining = False
        self._look_at_waiting()
        self._measure()

    def stop(self, why: str = "The supervisor was stopped.") -> None:
        """Stop all services in order; a second call kills them."""
        if self._closing.begun:
            self._closing.force()
        else:
            self._closing.begin()
            self._admission.closed = self._declaring.closed = self._recycling.closed = True
            self._desk.close(why)
        self._drain()

    def leave(self) -> None:
        """End at once and leave all services as they are, for a successor to take over."""
        if not self.done.done():
            self._desk.close(HANDED_OVER_DETAIL, HANDED_OVER)
            self.done.set_result(0)

    def close(self) -> None:
        """End what this supervisor itself runs beside the services; the last call, once it is done."""
        self._scheduling.close()
        self._hearing.close()
        self._commands.close()
        self._probing.close()
        self._measuring.close()

    def node_lost(self, message: str) -> None:
        """Another supervisor has the node: end at once and leave the services as they are."""
        if not self.done.done():
            self.done.set_result(1)
        del message  # the store has logged it

    # --- from the database ------------------------------------------------------------------------

    def orders_came(self, orders: list[Order]) -> None:
        """See :class:`monitoring.supervisor.store.Receiver`."""
        self._desk.take(orders)
        self._drain()

    def orders_lost(self, operations: set[int]) -> None:
        """See :class:`monitoring.supervisor.store.Receiver`."""
        self._desk.forget(operations)
        self._look_at_waiting()

    def cancels_came(self, operations: set[int]) -> None:
        """See :class:`monitoring.supervisor.store.Receiver`."""
        self._desk.cancel(operations)
        self._look_at_waiting()

    def declarations_changed(self, declared: tuple[Declared, ...], gone: frozenset[int]) -> None:
        """See :class:`monitoring.supervisor.store.Receiver`."""
        self._declaring.change(declared, gone)
        self._look_at_waiting()

    def start_concurrency_changed(self, limit: int) -> None:
        """See :class:`monitoring.supervisor.store.Receiver`."""
        self._admission.allow(limit)
        self._drain()

    def _look_at_waiting(self) -> None:
        for entry in list(self.entries.values()):
            if entry.state is State.FATAL and entry.key not in self._admission.impossible:
                self.feed(entry, happened.Startable())
            elif entry.state in (State.WAITING, State.BACKOFF):
                self._wait_or_line_up(entry)
        self._drain()

    def _buried(self, key: str) -> None:
        self._starter.forget(key)
        self._admission.leave_place(key)
        self._hearing.forget(key)
        self._scheduling.forget(key)

    # --- one event after the other ----------------------------------------------------------------

    def feed(self, entry: Entry, event: Event, then: Callable[[], None] | None = None) -> None:
        """Give an event to a service; ``then`` is called once the machine has taken it."""
        self._inbox.append((entry, event, then))
        self._drain()

    def _drain(self) -> None:
        """Take all events that wait, and whatever follows from them, in this turn."""
        if self._draining or self.done.done():
            return
        self._draining = True
        try:
            while True:
                while self._inbox:
                    entry, event, then = self._inbox.popleft()
                    with self._desk.at_work_on(entry.key):
                        try:
                            self._take(entry, event)
                            if then is not None:
                                then()
                        except Exception:
                            log.exception("%s: %s could not be carried out", entry.key, event)
                if self._ending.due:
                    self._ending.look()
                elif not self._admit_next():
                    break
            if self._closing.go_on() and not self.done.done():
                self.done.set_result(0)
        finally:
            self._draining = False
        if self._inbox:
            self._drain()

    def _take(self, entry: Entry, event: Event) -> None:
        before = entry.situation
        self._living = None
        after, effects = step(before, event, entry.spec, self._loop.time(), self._draw(-1.0, 1.0))
        entry.situation = after
        if entry.spec.schedule or entry.next_run_at is not None:
            self._scheduling.keep(entry)
        self._closing.changed(entry)
        for effect in effects:
            if type(effect) is Record:
                self._record(entry, before, effect)
            else:
                self._carrying.carry_out(entry, effect)
        if not self._declaring.bury_if_gone(entry) and startable(entry) and after is not before:
            self._wait_or_line_up(entry)

    def _record(self, entry: Entry, before: Situation, effect: Record) -> None:
        if effect.before is not effect.after and effect.after is not State.STARTING:
            self._admission.leave_place(entry.key)
        self._recorder.record(entry, before, effect)
        self._desk.changed(entry)
        for dependent in self._admission.dependents(entry.key):
            if startable(dependent):
                self._wait_or_line_up(dependent)
        self._noticed(entry)

    # --- starting ---------------------------------------------------------------------------------

    def _wait_or_line_up(self, entry: Entry) -> None:
        impossible = self._admission.impossible.get(entry.key)
        if impossible:
            self.feed(entry, happened.Unstartable(impossible))
            return
        unmet = self._admission.unmet(entry)
        self.feed(entry, happened.Waits(unmet))
        if not unmet and startable(entry):
            self._admission.offer(entry)

    def _rescheduled(self, entry: Entry) -> None:
        if entry.service is not None and not entry.deleted:
            self._store.queue.put(entry.status())

    def _listen(self, entry: Entry) -> None:
        try:
            self._hearing.listen(entry.spec)
        except OSError as error:
            log.warning("%s: %s", entry.key, error)

    def _admit_next(self) -> bool:
        entry = self._admission.next()
        if entry is None:
            return False
        self._inbox.append((entry, happened.Admitted(str(uuid4())), None))
        return True

    def _held_back(self, entry: Entry) -> str:
        return self._desk.held_back(entry)

    # --- probes and measurements ------------------------------------------------------------------

    def _probed(self, key: str, run_id: str, result: ProbeResult) -> bool:
        entry = self.entries.get(key)
        if entry is None:
            return False
        self.feed(entry, happened.Probed(run_id, result.ok, result.hung, result.detail))
        return entry.state is State.STARTING

    def _measure(self) -> None:
        """Once a second: what all process trees use, and whether the node itself is well."""
        self._loop.call_later(self._measuring.SECONDS, self._measure)
        try:
            self._ending.collect_orphans()
            if self._living is None:
                self._living = {
                    key: entry.identity
                    for key, entry in self.entries.items()
                    if entry.identity is not None and entry.state in LIVE
                }
            self._measuring.measure(self._living)
        except OSError as error:
            log.warning("cannot measure: %s", error)
