"""What the supervisor writes down about its runs on its own disk, so that a successor can take them over.

It is written before a spawn and again with the pid, and does not depend on the database. Nothing is
synced: it has to outlive the supervisor, not the machine, since after a reboot no process is left.
"""

import contextlib
import hashlib
import json
import logging
import os
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from monitoring.supervisor.identity import Identity
from monitoring.supervisor.spec import ServiceSpec

log = logging.getLogger(__name__)
_SUFFIX = ".json"
_LONGEST_NAME = 200
_BLOCK = 2048
"""Bytes that every entry takes, shorter ones filled up with spaces. Divides the size of a page."""


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
    """One small file per service in ``directory``."""

    def __init__(self, directory: Path) -> None:
        """Make ``directory`` where it is missing. Raises OSError where that fails."""
        self._directory = directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def write(self, entry: JournalEntry) -> None:
        """Replace what is written about ``entry.key``, as a whole or not at all. Raises OSError."""
        # By name: asdict() copies deeply, which takes longer than all the rest.
        said = {name: getattr(entry, name) for name in _FIELDS}
        data = json.dumps({**said, "started_at": entry.started_at.isoformat()}).encode()
        path = self._path(entry.key)
        if len(data) > _BLOCK or not _overwrite(path, data.ljust(_BLOCK)):
            _replace(path, data)

    def remove(self, key: str) -> None:
        """Forget ``key``'s run. It need not be there. Raises OSError."""
        self._path(key).unlink(missing_ok=True)

    def load(self) -> dict[str, JournalEntry]:
        """Return key → entry. A file that makes no sense is left out with a warning."""
        entries: dict[str, JournalEntry] = {}
        for path in sorted(self._directory.glob("*" + _SUFFIX)):
            try:
                entry = _entry(json.loads(path.read_bytes()))
            except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
                log.warning("ignoring the run journal's %s: %s", path.name, error)
                continue
            entries[entry.key] = entry
        return entries

    def _path(self, key: str) -> Path:
        name = quote(key, safe="")
        if len(name) > _LONGEST_NAME:
            name = hashlib.sha256(key.encode("utf-8")).hexdigest()
        return self._directory / (name + _SUFFIX)


def _overwrite(path: Path, block: bytes) -> bool:
    """Write ``block`` over the whole file; return False where the file is longer than that.

    A restart waits for this, and a new file with a rename takes a millisecond where this takes a twentieth
    of it. One write within one page of the page cache is not torn by a SIGKILL: the kernel looks for one
    between pages alone. And what has its block on the disk already needs no room on a full one.
    """
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if os.fstat(fd).st_size > len(block):
            return False
        os.pwrite(fd, block, 0)
        return True
    finally:
        os.close(fd)


def _replace(path: Path, data: bytes) -> None:
    """Put a new file with ``data`` in the place of the file."""
    draft = path.with_name(path.name + ".new")
    try:
        draft.write_bytes(data)
        os.replace(draft, path)
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise


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
