"""Starts the process of a new run: port check, journal, spawn, journal again, in this order."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from monitoring.supervisor.entry import Entry
from monitoring.supervisor.identity import (
    MARKER,
    MARKER_SERVICE,
    MARKER_SUPERVISOR,
    boot_id,
    read_environ,
    read_stat,
    supervisor_mark,
    variable,
)
from monitoring.supervisor.journal import JournalEntry, RunJournal, spec_digest
from monitoring.supervisor.launch import Limits
from monitoring.supervisor.log_bytes import log_end
from monitoring.supervisor.ports import listener_on
from monitoring.supervisor.process import Process, kill_verified
from monitoring.supervisor.records import RunRow
from monitoring.supervisor.spawn_problems import PortBusy, SpawnError, SpawnFailed
from monitoring.supervisor.spec import ServiceSpec

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Equipment:
    """What medimgr's own services get beside their declaration."""

    pass_fds: tuple[int, ...] = ()
    environment: Mapping[str, str] | None = None
    before_spawn: Callable[[], None] | None = None
    """Called before each start; raises OSError where that cannot be."""


class Starter:
    """Starts processes for one node. Everything here is quick and blocks the loop for about a millisecond."""

    def __init__(
        self,
        node: str,
        journal: RunJournal,
        data_dir: str,
        *,
        nofile: Limits | None = None,
        equipment: Callable[[ServiceSpec], Equipment] | None = None,
    ) -> None:
        """``nofile`` are the limits of open files that services get instead of the supervisor's."""
        self.node = node
        self._journal = journal
        self.data_dir = data_dir
        self.nofile = nofile
        self._equipment = equipment or (lambda _: Equipment())

    def start(self, entry: Entry, run_id: str, listen: Callable[[ServiceSpec], Mapping[str, str]]) -> Process:
        """Start a process for ``entry`` and fill in what is known about the run. Raises SpawnError.

        ``listen`` begins to listen to the service and returns the variables by which it finds us.
        """
        spec = entry.spec
        if not spec.builtin:
            self._check_ports(spec)
        offset = self._log_offset(spec)
        written = JournalEntry(
            key=spec.key,
            run_id=run_id,
            reason=entry.situation.reason,
            started_at=datetime.now(UTC),
            spec_digest=spec_digest(spec),
            log_offset=offset,
            boot_id=boot_id(),
        )
        self.write_down(written)
        equipment = self._equipment(spec)
        try:
            if equipment.before_spawn is not None:
                equipment.before_spawn()
            found_by = listen(spec)
            process = Process.spawn(
                spec,
                run_id,
                pass_fds=equipment.pass_fds,
                extra_env={**found_by, **(equipment.environment or {})}
                if found_by
                else equipment.environment,
                node=self.node,
                nofile=self.nofile,
            )
        except SpawnError:
            self.forget(spec.key)
            raise
        except OSError as error:
            self.forget(spec.key)
            raise SpawnFailed(f"{spec.name} could not be started: {error}.") from error
        identity = process.identity
        self.write_down(replace(written, pid=identity.pid, start_ticks=identity.start_ticks))
        entry.process, entry.identity, entry.started_here = process, identity, True
        entry.started_digest, entry.process_started_at = written.spec_digest, written.started_at
        entry.run = RunRow(
            run_id=run_id,
            service=entry.service,
            key=spec.key,
            pid=identity.pid,
            start_ticks=identity.start_ticks,
            boot_id=identity.boot_id,
            command=spec.command,
            reason=entry.situation.reason,
            started_at=written.started_at,
            log_offset=offset,
        )
        return process

    def forget(self, key: str) -> None:
        """Remove what the journal says about ``key``: nothing of it lives."""
        try:
            self._journal.remove(key)
        except OSError as error:
            log.warning("%s: the journal entry cannot be removed: %s", key, error)

    def only_its_end(self, entry: Entry) -> None:
        """Write down that of the run no process is left, only a command that goes with its end."""
        run = entry.run
        if run is not None:
            self.write_down(
                JournalEntry(
                    key=entry.key,
                    run_id=run.run_id,
                    reason=run.reason,
                    started_at=run.started_at,
                    spec_digest=entry.started_digest,
                    log_offset=run.log_offset,
                    boot_id=run.boot_id,
                )
            )

    def write_down(self, entry: JournalEntry) -> None:
        """Write ``entry`` into the journal; where that fails, warn."""
        # A service is worth more than the note about it, which a full disk may refuse. Its processes
        # still carry their marker.
        try:
            self._journal.write(entry)
        except OSError as error:
            log.warning(
                "%s: the run journal cannot be written (%s); a crash of the supervisor now would lose "
                "track of this run",
                entry.key,
                error,
            )

    def _check_ports(self, spec: ServiceSpec) -> None:
        for port in spec.ports:
            listener = listener_on(port)
            if listener is None:
                continue
            if listener.pid is not None and self._left_over(listener.pid, spec.key):
                raise PortBusy(
                    f"Port {port} was still held by pid {listener.pid} ({listener.name}), a left-over of an "
                    "earlier run; it has been killed.",
                )
            who = f"pid {listener.pid} ({listener.name})" if listener.pid else listener.name
            raise PortBusy(f"Port {port} is taken by {who}. Stop that, or give {spec.name} another port.")

    def _left_over(self, pid: int, key: str) -> bool:
        """Kill ``pid`` if it belongs to an earlier run of the service; return whether it did."""
        stat = read_stat(pid)
        environ = read_environ(pid)
        if stat is None or not environ:
            return False
        ours = (
            variable(environ, MARKER) is not None
            and variable(environ, MARKER_SERVICE) == key
            and variable(environ, MARKER_SUPERVISOR) == supervisor_mark(self.node, self.data_dir)
        )
        return ours and kill_verified(pid, stat.start_ticks)

    def _log_offset(self, spec: ServiceSpec) -> int:
        try:
            return log_end(spec.log_path)
        except OSError as error:
            log.warning("%s: the end of its log cannot be found: %s", spec.key, error)
            return 0
