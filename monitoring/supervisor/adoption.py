"""Takes over what a dead supervisor left: the same processes, no restart, no second copy, no stranger.

The journal on disk says which runs there were; the kernel says which of them live. What a journal entry
has no pid for (the supervisor died between writing and starting) is looked for by its marker.
"""

import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from monitoring.states import Reason
from monitoring.supervisor.entry import Entry
from monitoring.supervisor.happenings import Adopted, AdoptGone, Deleted, Event
from monitoring.supervisor.identity import Identity, boot_id, read_stat
from monitoring.supervisor.journal import JournalEntry, spec_digest
from monitoring.supervisor.process import Process
from monitoring.supervisor.proctable import ProcTable, marked_processes
from monitoring.supervisor.records import RunRow
from monitoring.supervisor.situation import Situation
from monitoring.supervisor.spec import ServiceSpec

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """What is known about one service's last run, and the events that follow from it."""

    entry: Entry
    events: tuple[Event, ...]


def take_over(entries: dict[str, Entry], journal: Mapping[str, JournalEntry], rebooted: bool) -> list[Found]:
    """Fill ``entries`` with the processes that live, and return what to tell the machine about each.

    Adds an entry for a process whose declaration is gone. Reads ``/proc``. Raises OSError where the
    processes cannot be looked at.
    """
    found: list[Found] = []
    markers: dict[str, Identity] = {}
    if any(run.pid is None for run in journal.values()):
        markers = dict(marked_processes(ProcTable.read()))
    for key, run in journal.items():
        entry = entries.get(key)
        orphan = entry is None
        if entry is None:
            # Without a declaration its program is unknown; how to stop it is by default.
            entry = entries[key] = Entry(None, ServiceSpec(key, key, ()), run.started_at, deleted=True)
        # Where no pid is known, what else it has left is still found by its marker. Pid 0 is nobody's.
        identity = run.identity() or markers.get(run.run_id) or Identity(0, 0, run.boot_id, run.run_id)
        process = Process.adopt(identity)
        entry.situation = _with_run(entry, run)
        entry.identity = identity
        entry.run = _row(entry, run, identity) if identity.pid else None
        events: tuple[Event, ...]
        if process is not None:
            entry.process = process
            entry.started_digest = run.spec_digest
            entry.process_started_at = run.started_at
            differs = not orphan and run.spec_digest != spec_digest(entry.spec)
            events = (Adopted(run.run_id, identity.pid, age(identity), differs),)
        else:
            another_boot = bool(run.boot_id) and run.boot_id != boot_id()
            events = (AdoptGone(run.run_id, rebooted or another_boot),)
        found.append(Found(entry, (*events, Deleted()) if orphan else events))
    for key, entry in entries.items():
        if key not in journal and entry.situation.alive:
            # The database believes in a process that nothing on this machine knows about.
            found.append(Found(entry, (AdoptGone("", rebooted),)))
    return found


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
