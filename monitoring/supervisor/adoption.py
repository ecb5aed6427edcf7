"""Takes over what a dead supervisor left: the same processes, no restart, no second copy, no stranger.

The journal on disk says which runs there were; the kernel says which of them live. What the journal does
not tell, since the supervisor died between writing and starting or the disk was full, is looked for by the
marker in the environment.
"""

import logging
import os
import resource
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from medimgr.lib.branches import SystemProblem
from monitoring.states import Reason
from monitoring.supervisor.entry import Entry
from monitoring.supervisor.happenings import Adopted, AdoptGone, Deleted, Event
from monitoring.supervisor.identity import Identity, boot_id, files_ran_out, read_stat
from monitoring.supervisor.journal import JournalEntry, spec_digest
from monitoring.supervisor.marked import Marked, end_commands, find_marked
from monitoring.supervisor.process import Process
from monitoring.supervisor.proctable import ProcTable
from monitoring.supervisor.records import RunRow
from monitoring.supervisor.situation import Situation
from monitoring.supervisor.spec import ServiceSpec

log = logging.getLogger(__name__)
SPARE_FILES = 16
"""So many more must be free to open once all is taken over: for logs, looks at /proc, probes."""


class CannotTakeOver(SystemProblem):
    """What the predecessor left cannot be looked at; nothing has been touched."""

    code = "cannot-take-over"
    status = 503
    remedy = "Raise the limit that the message names for the supervisor, then start it again."


@dataclass(frozen=True, slots=True)
class Found:
    """What is known about one service's last run, and the events that follow from it."""

    entry: Entry
    events: tuple[Event, ...]
    unwritten: JournalEntry | None = None
    """What the journal does not say of the process that was taken over."""
    surplus: tuple[Identity, ...] = ()
    """Further runs of the service, which have to end."""


def take_over(
    entries: dict[str, Entry],
    journal: Mapping[str, JournalEntry],
    rebooted: bool,
    *,
    node: str,
    data_dir: str,
) -> list[Found]:
    """Fill ``entries`` with the processes that live, and return what to tell the machine about each.

    Adds an entry for a process whose declaration is gone. Of several runs of one service the oldest that
    lives is kept. Reads ``/proc`` once. Signals no service; the hooks and probes that the dead supervisor
    had under way are killed, since nobody listens to them. Raises CannotTakeOver.
    """
    try:
        marks = find_marked(ProcTable.read(), node, data_dir)
        found = _take_over(entries, journal, rebooted, marks.runs)
        _require_spare_files()
        end_commands(marks.commands, node, data_dir)
    except OSError as error:
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        raise CannotTakeOver(
            f"The processes of {len(journal)} services cannot be taken over ({error.strerror}); they are "
            f"left as they are. The supervisor may have {soft} open files and needs one for each service "
            "beside some thirty of its own: raise the limit (ulimit -n, LimitNOFILE=) and start it again."
            if files_ran_out(error)
            else f"The processes that may be running cannot be looked at: {error}. They are left as they are."
        ) from error
    return found


def _require_spare_files() -> None:
    spare: list[int] = []
    try:
        spare.extend(os.dup(2) for _ in range(SPARE_FILES))
    finally:
        for fd in spare:
            os.close(fd)


def _take_over(
    entries: dict[str, Entry],
    journal: Mapping[str, JournalEntry],
    rebooted: bool,
    marked: Mapping[str, Marked],
) -> list[Found]:
    written = {run.run_id for run in journal.values()}
    runs = {key: [run] for key, run in journal.items()}
    for one in marked.values():
        if one.run_id not in written:
            runs.setdefault(one.service, []).append(_unwritten(one, entries.get(one.service)))
    found = [_found(entries, key, some, journal.get(key), marked, rebooted) for key, some in runs.items()]
    for key, entry in entries.items():
        if key not in runs and entry.situation.alive:
            # The database believes in a process that nothing on this machine knows about.
            found.append(Found(entry, (AdoptGone("", rebooted, spawned=False),)))
    return found


def _found(
    entries: dict[str, Entry],
    key: str,
    runs: list[JournalEntry],
    written: JournalEntry | None,
    marked: Mapping[str, Marked],
    rebooted: bool,
) -> Found:
    entry = entries.get(key)
    orphan = entry is None
    if entry is None:
        # Without a declaration its program is unknown; how to stop it is by default.
        entry = entries[key] = Entry(None, ServiceSpec(key, key, ()), runs[0].started_at, deleted=True)
    # Where no pid is known, what else it has left is still found by its marker. Pid 0 is nobody's.
    identities = {
        run.run_id: run.identity() or marked.get(run.run_id) or Identity(0, 0, run.boot_id, run.run_id)
        for run in runs
    }
    run, process, surplus = _choose(runs, identities)
    identity = identities[run.run_id]
    entry.situation = _with_run(entry, run)
    entry.identity = identity
    entry.run = _row(entry, run, identity) if identity.pid else None
    events: tuple[Event, ...]
    if process is not None:
        entry.process = process
        entry.started_digest = run.spec_digest or spec_digest(entry.spec)
        entry.process_started_at = run.started_at
        events = (Adopted(run.run_id, identity.pid, age(identity), not orphan and _differs(run, entry.spec)),)
    else:
        another_boot = bool(run.boot_id) and run.boot_id != boot_id()
        events = (AdoptGone(run.run_id, rebooted or another_boot, spawned=identity.pid > 0),)
    if process is not None and run is not written:
        log.warning("%s: pid %d runs without being in the run journal; it is taken over", key, identity.pid)
    return Found(
        entry,
        (*events, Deleted()) if orphan else events,
        run if process is not None and run is not written else None,
        surplus,
    )


def _choose(
    runs: list[JournalEntry], identities: Mapping[str, Identity]
) -> tuple[JournalEntry, Process | None, tuple[Identity, ...]]:
    """Return the run to go on with, its process where there is one, and the identities of the others."""
    processes = {run.run_id: Process.adopt(identities[run.run_id]) for run in runs}

    def rank(run: JournalEntry) -> tuple[bool, bool, int]:
        process = processes[run.run_id]
        ended = process is None or process.poll_exit() is not None
        return ended, process is None, identities[run.run_id].start_ticks

    kept = min(runs, key=rank)
    for run_id, process in processes.items():
        if process is not None and run_id != kept.run_id:
            pid = process.identity.pid
            log.warning("%s: pid %d is a second copy of it and is ended", kept.key, pid)
            process.close()
    others = tuple(identity for run_id, identity in identities.items() if run_id != kept.run_id)
    return kept, processes[kept.run_id], others


def _unwritten(marked: Marked, entry: Entry | None) -> JournalEntry:
    """Return what the journal would say of a run that it does not know."""
    return JournalEntry(
        key=marked.service,
        run_id=marked.run_id,
        reason=entry.situation.cause if entry is not None else Reason.NONE,
        started_at=datetime.now(UTC) - timedelta(seconds=age(marked)),
        pid=marked.pid,
        start_ticks=marked.start_ticks,
        boot_id=marked.boot_id,
    )


def _differs(run: JournalEntry, spec: ServiceSpec) -> bool:
    """Return whether a new process would be another one.

    Of a run that was not written down nobody knows. Services are left as they are then; medimgr's own
    processes have to fit this very version and address.
    """
    return run.spec_digest != spec_digest(spec) if run.spec_digest else spec.builtin


def age(identity: Identity) -> float:
    """Return how many seconds ago the process was started; 0.0 where it is gone by now."""
    entry = read_stat(identity.pid)
    if entry is None or entry.start_ticks != identity.start_ticks:
        return 0.0
    started = identity.start_ticks / os.sysconf("SC_CLK_TCK")
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - started)


def _with_run(entry: Entry, run: JournalEntry) -> Situation:
    return replace(entry.situation, run_id=run.run_id, cause=_reason(run))


def _reason(run: JournalEntry) -> Reason:
    try:
        return Reason(run.reason)
    except ValueError:
        return Reason.NONE


def _row(entry: Entry, run: JournalEntry, identity: Identity) -> RunRow:
    return RunRow(
        run_id=run.run_id,
        service=entry.service,
        key=run.key,
        pid=identity.pid,
        start_ticks=identity.start_ticks,
        boot_id=identity.boot_id,
        command=entry.spec.command,
        reason=_reason(run),
        started_at=run.started_at,
        log_offset=run.log_offset,
    )
