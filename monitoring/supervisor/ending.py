"""Sees processes end, and sees to it that nothing of their trees is left."""

import asyncio
from collections.abc import Callable, Mapping

from monitoring.states import Hook, Reason, State
from monitoring.supervisor import happenings as happened
from monitoring.supervisor import policy
from monitoring.supervisor.entry import Entry
from monitoring.supervisor.happenings import Event
from monitoring.supervisor.identity import Identity
from monitoring.supervisor.orphans import Orphans
from monitoring.supervisor.proctable import MarkerCache
from monitoring.supervisor.recording import Recorder
from monitoring.supervisor.starting import Starter
from monitoring.supervisor.sweeper import Sweeper


class Ending:
    """Feeds Exited once a run's main process has ended, and TreeGone once nothing of it is left."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        entries: Mapping[str, Entry],
        starter: Starter,
        recorder: Recorder,
        cache: MarkerCache,
        *,
        feed: Callable[[Entry, Event], None],
        wake: Callable[[], None],
        orphans: Orphans | None,
        commands: Callable[[], set[int]],
    ) -> None:
        """``wake`` is called when it has become :attr:`due` to look; ``orphans``: who is left to us, where
        that can be known; ``commands``: the pids of hooks and probes, which nobody has left.
        """
        self._loop = loop
        self._entries = entries
        self._starter = starter
        self._recorder = recorder
        self._feed = feed
        self._commands = commands
        self._orphans = orphans if orphans is not None and orphans.known else None
        self._sweeper = Sweeper(
            cache, self._tree_gone, loop.call_later, wake, self.orphans_left if self._orphans else None
        )

    @property
    def due(self) -> bool:
        """Return whether :meth:`look` has something to look for now."""
        return self._sweeper.due

    def watch(self, entry: Entry) -> None:
        """Hear of the end of the entry's process."""
        if entry.process is not None:
            self._loop.add_reader(entry.process.pidfd, self._ended, entry)

    def kill(self, entry: Entry) -> None:
        """Kill the entry's process with all that belongs to it."""
        if entry.process is not None:
            entry.process.kill_group()
            self._sweeper.kill(entry.key, entry.process.identity)

    def sweep(self, entry: Entry, run_id: str) -> None:
        """Kill what the run's ended process has left, and feed TreeGone once nothing is."""
        if entry.identity is not None:
            self._sweeper.sweep(entry.key, entry.identity, ours=entry.started_here)
        else:
            self._feed(entry, happened.TreeGone(run_id))

    def sweep_surplus(self, key: str, surplus: Identity) -> None:
        """End a run that lives beside the one which the service goes on with."""
        self._sweeper.sweep(key, surplus, ours=False)

    def look(self) -> None:
        """Look once for what is left of all runs that are being swept."""
        living = {
            entry.situation.run_id: entry.identity
            for entry in self._entries.values()
            if entry.identity is not None and entry.process is not None
        }
        self._sweeper.look(living)

    def collect_orphans(self) -> None:
        """Let go of the processes that runs have left to us and that have ended. Raises OSError."""
        if self._orphans is not None and self._orphans.some_ended():
            self.orphans_left()

    def orphans_left(self) -> dict[int, int]:
        """Return the processes that runs have left to us, and let go of those that have ended.

        Pid → start time in ticks.

        Raises OSError.
        """
        if self._orphans is None:
            return {}
        leaders = {
            process.identity.pid
            for entry in self._entries.values()
            if (process := entry.process or entry.ended) is not None
        }
        return self._orphans.left(leaders | self._commands())

    def _ended(self, entry: Entry) -> None:
        """The pidfd is readable: the leader has ended."""
        process = entry.process
        if process is None:
            return
        how = process.poll_exit()
        if how is None:
            return
        self._loop.remove_reader(process.pidfd)
        # The zombie pins the pid: the group that is killed here can be no other, and the session by which
        # the sweep knows what left that group is no other's either.
        process.kill_group()
        entry.process, entry.ended = None, process
        exited = happened.Exited(process.identity.run_id, how.code, how.signal)
        why = Reason.COMPLETED if policy.is_success(exited, entry.spec) else Reason.CRASH
        # Put down first, so that whoever sees the new status finds the run's end, too.
        self._recorder.ended(entry, how, entry.situation.reason if entry.state is State.STOPPING else why)
        self._feed(entry, exited)

    def _tree_gone(self, key: str, run_id: str) -> None:
        entry = self._entries.get(key)
        if entry is None or entry.situation.run_id != run_id:
            return
        if entry.process is None:
            entry.let_go()
            entry.identity = None
            if entry.spec.hooks and entry.spec.hook(Hook.POST_STOP):
                self._starter.only_its_end(entry)
            else:
                self._starter.forget(key)
            self._feed(entry, happened.TreeGone(run_id))
