"""Reads a log at logical offsets, wherever those bytes are by now: in an archive or in the live file.

Keeps no state and no open file, and takes no lock: what a rotation changes meanwhile is noticed by looking
at the ledger before and after, and then read again.
"""

import contextlib
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from monitoring.supervisor.log_archives import archive_files, file_of, read_archive
from monitoring.supervisor.log_ledger import Archived, Ledger, read_ledger

QUIET_SECONDS = 1.0
_TRIES = 50
_LOOKS = 4
"""A file that is being renamed can slip through one look at the directory, but not through the next."""


@dataclass(frozen=True, slots=True)
class LogPiece:
    """Bytes of a log, and how the log was when they were read."""

    data: bytes
    start: int
    """Logical offset of the first byte: the one asked for, or where there is something after it."""
    first: int
    """Of the oldest byte that is kept."""
    live_start: int
    """Of the oldest byte in the live file that is in no archive."""
    end: int
    """Where the next byte to be written will be."""
    inode: int
    """Of the live file; 0 where there is none."""
    quiet: bool
    """Nothing was written for a second."""

    @property
    def next(self) -> int:
        """Return the offset to go on from."""
        return self.start + len(self.data)


@dataclass(frozen=True, slots=True)
class _Live:
    fd: int
    inode: int
    size: int
    quiet: bool


class _Changed(Exception):
    """A rotation has moved what was about to be read."""


def read_log(path: Path, offset: int, limit: int, *, archived_only: bool = False) -> LogPiece:
    """Return up to ``limit`` bytes of the log at ``path`` from the logical ``offset`` on.

    What is no longer kept is passed over: ``start`` is then beyond ``offset``. A log that is not there is
    empty. ``archived_only`` leaves the live file alone. Raises OSError where it may not be read.
    """
    for _ in range(_TRIES):
        before = read_ledger(path)
        with opened(path) as live, contextlib.suppress(_Changed):
            return _read(path, before, live, offset, limit, archived_only=archived_only)
    raise OSError(None, "its rotation never ends")


def log_end(path: Path) -> int:
    """Return the logical offset that the next byte will have. Raises OSError."""
    return read_log(path, 1 << 62, 0).end


def unbroken_from(path: Path) -> int:
    """Return the offset from which on nothing is missing: archives can be deleted by hand. Raises OSError."""
    ledger = read_ledger(path)
    files = archive_files(path)
    place = ledger.archived_to
    for archived in ledger.archives:
        if archived.end != place or file_of(path, archived, files) is None:
            break
        place = archived.start
    return place


def _read(
    path: Path, ledger: Ledger, live: _Live | None, offset: int, limit: int, *, archived_only: bool
) -> LogPiece:
    base = ledger.live_base(live.fd, live.inode, live.size) if live else ledger.archived_to
    # Asked once more: the size that belongs to this base, unless the base is another one at the end.
    end = max(ledger.archived_to, base + os.fstat(live.fd).st_size) if live else ledger.archived_to
    data, start = b"", offset
    if offset < ledger.archived_to and limit > 0:
        data, start = _archived(path, ledger, offset, limit)
    if live and not archived_only and len(data) < limit and ledger.archived_to <= start + len(data) < end:
        fresh = os.pread(live.fd, min(limit - len(data), end - start - len(data)), start + len(data) - base)
        data += fresh
    if read_ledger(path).turn != ledger.turn:
        raise _Changed
    if live and ledger.live_base(live.fd, live.inode, live.size) != base:
        raise _Changed
    return LogPiece(
        data,
        start,
        first=ledger.archives[-1].start if ledger.archives else ledger.archived_to,
        live_start=ledger.archived_to,
        end=end,
        inode=live.inode if live else 0,
        quiet=live.quiet if live else True,
    )


def _archived(path: Path, ledger: Ledger, offset: int, limit: int) -> tuple[bytes, int]:
    """Return bytes from the archives, without a gap between them, and where they start."""
    data, start = b"", offset
    for archived in reversed(ledger.archives):
        place = start + len(data)
        if archived.end <= place:
            continue
        piece = None
        if archived.start <= place or not data:
            place = max(place, archived.start)
            piece = _from_archive(path, ledger, archived, place, limit - len(data))
        if piece is None:  # deleted, this one or the one before it
            if data:
                break
            start = archived.end
            continue
        data, start = data + piece, start if data else place
        if len(data) >= limit:
            break
    return data, (start if data else ledger.archived_to)


def _from_archive(path: Path, ledger: Ledger, archived: Archived, offset: int, limit: int) -> bytes | None:
    """Return bytes of one archive; None where it was deleted by hand. Raises _Changed where it moved."""
    for _ in range(_LOOKS):
        where = file_of(path, archived, archive_files(path))
        if where is None:
            continue
        try:
            fd = os.open(where, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)
        except FileNotFoundError:
            raise _Changed from None
        try:
            if os.fstat(fd).st_ino not in archived.inodes:
                raise _Changed
            return read_archive(fd, archived, offset, limit)
        finally:
            os.close(fd)
    if read_ledger(path).turn != ledger.turn:
        raise _Changed
    return None


@contextlib.contextmanager
def opened(path: Path) -> Iterator[_Live | None]:
    """Open a regular file to read; None where there is none. A pipe in its place must not make us wait."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except (FileNotFoundError, NotADirectoryError):
        yield None
        return
    try:
        status = os.fstat(fd)
        quiet = abs(time.time() - status.st_mtime) >= QUIET_SECONDS
        live = _Live(fd, status.st_ino, status.st_size, quiet)
        yield live if stat.S_ISREG(status.st_mode) else None
    finally:
        os.close(fd)
