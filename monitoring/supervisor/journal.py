"""What the supervisor writes down about its runs on its own disk, so that a successor can take them over.

It is written before a spawn and again with the pid, and does not depend on the database. Nothing is
synced: it has to outlive the supervisor, not the machine, since after a reboot no process is left.
"""

import errno
import hashlib
import json
import logging
import os
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path

from monitoring.supervisor.identity import Identity
from monitoring.supervisor.spec import ServiceSpec

log = logging.getLogger(__name__)
FILE = "journal"
SLOT = 2048
"""Bytes of a slot, filled up with spaces. Divides the size of a page."""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """The current run of one service. Until the spawn has succeeded, ``pid`` is None."""

    key: str
    run_id: str
    reason: str
    started_at: datetime
    """Wall clock, with its zone."""
    spec_digest: str = ""
    """Of what it was started with: see :func:`spec_digest`."""
    log_offset: int = 0
    """Where the run's lines begin in the log file."""
    pid: int | None = None
    start_ticks: int = 0
    boot_id: str = ""

    def identity(self) -> Identity | None:
        """Return the identity to adopt, None where the pid was never written."""
        if self.pid is None:
            return None
        return Identity(self.pid, self.start_ticks, self.boot_id, self.run_id)


_FIELDS = tuple(field.name for field in fields(JournalEntry))


def spec_digest(spec: ServiceSpec) -> str:
    """Return a digest of all in ``spec`` that a running process cannot take over without a restart."""
    return hashlib.sha256(repr(spec.started_with()).encode("utf-8", "surrogateescape")).hexdigest()


class RunJournal:
    """One file in ``directory``, with a slot for each service. Not shared between threads.

    A start waits for this, and to make a file takes as long as to make a process. A slot is written in one
    call within one page of the page cache, which no SIGKILL tears: the kernel looks for one between pages
    alone. And a slot that is there needs no room on a full disk.
    """

    def __init__(self, directory: Path) -> None:
        """Make what is missing. Raises OSError where that fails."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._fd = os.open(directory / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._slots: dict[str, int] = {}
        """Where each service's entry stands."""
        self._free: list[int] = []
        self._end = 0
        self.load()

    def close(self) -> None:
        """Close the file; what is written stays."""
        os.close(self._fd)

    def write(self, entry: JournalEntry) -> None:
        """Replace what is written about ``entry.key``, as a whole or not at all. Raises OSError."""
        # By name: asdict() copies deeply, which takes longer than all the rest.
        said = {name: getattr(entry, name) for name in _FIELDS}
        said["started_at"] = entry.started_at.isoformat()
        data = json.dumps(said, ensure_ascii=False).encode("utf-8", "backslashreplace")
        if len(data) > SLOT:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        slot = self._slots.get(entry.key)
        if slot is not None:
            self._put(slot, data)
            return
        slot = self._free.pop() if self._free else self._end
        try:
            self._put(slot, data)
        except OSError:
            self._free.append(slot)
            raise
        finally:
            self._end = max(self._end, slot + 1)
        self._slots[entry.key] = slot

    def remove(self, key: str) -> None:
        """Forget ``key``'s run. It need not be there. Raises OSError."""
        slot = self._slots.get(key)
        if slot is not None:
            self._put(slot, b"")
            del self._slots[key]
            self._free.append(slot)

    def load(self) -> dict[str, JournalEntry]:
        """Return key → entry. A slot that makes no sense is left out with a warning, and is free again."""
        entries: dict[str, JournalEntry] = {}
        self._slots, self._free = {}, []
        size = os.fstat(self._fd).st_size
        data = os.pread(self._fd, size, 0)
        self._end = -(-len(data) // SLOT)
        for slot in range(self._end):
            written = data[slot * SLOT : (slot + 1) * SLOT].strip(b" \0")
            entry = _read(written, slot) if written else None
            if entry is None or entry.key in entries:
                self._free.append(slot)
            else:
                self._slots[entry.key] = slot
                entries[entry.key] = entry
        return entries

    def _put(self, slot: int, data: bytes) -> None:
        os.pwrite(self._fd, data.ljust(SLOT), slot * SLOT)


def _read(written: bytes, slot: int) -> JournalEntry | None:
    try:
        return _entry(json.loads(written))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        log.warning("ignoring place %d of the run journal: %s", slot, error)
        return None


def _entry(data: object) -> JournalEntry:
    if not isinstance(data, dict):
        raise ValueError("not an entry")
    pid = data["pid"]
    entry = JournalEntry(
        key=str(data["key"]),
        run_id=str(data["run_id"]),
        reason=str(data["reason"]),
        started_at=datetime.fromisoformat(data["started_at"]),
        spec_digest=str(data["spec_digest"]),
        log_offset=int(data["log_offset"]),
        pid=None if pid is None else int(pid),
        start_ticks=int(data["start_ticks"]),
        boot_id=str(data["boot_id"]),
    )
    if entry.started_at.tzinfo is None:
        raise ValueError("its time has no zone")
    return entry
