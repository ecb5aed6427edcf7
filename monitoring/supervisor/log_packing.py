"""Compresses archives of a log, one at a time, while it may be rotated and read."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from monitoring.supervisor.log_archives import (
    PACKED_PART,
    archive_files,
    archive_path,
    file_of,
    pack,
    part_path,
)
from monitoring.supervisor.log_ledger import Archived, Ledger, read_ledger, write_ledger
from monitoring.supervisor.log_rotation import without_missing


def pack_one(log: Path, rotating: AbstractContextManager[object], stopped: Callable[[], bool]) -> bool:
    """Compress the oldest archive of ``log`` that is not; return whether there was one.

    ``rotating`` keeps rotations of this log out: held for moments only. Whoever is killed in the middle
    leaves the archive as it was, or compressed, never both. Raises OSError.
    """
    with rotating:
        found = _next(log)
        if found is None:
            return False
        archived, source = found
    part = part_path(log, PACKED_PART)
    try:
        target = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        try:
            before = os.fstat(source)
            if not pack(source, target, archived.end - archived.start, stopped):
                part.unlink()
                return False
            os.fchmod(target, before.st_mode & 0o777)
            os.utime(target, ns=(before.st_mtime_ns, before.st_mtime_ns))
            os.fsync(target)
            inode = os.fstat(target).st_ino
        finally:
            os.close(target)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    finally:
        os.close(source)
    with rotating:
        _replace(log, archived, inode)
    return True


def _next(log: Path) -> tuple[Archived, int] | None:
    ledger = read_ledger(log)
    if all(one.packed for one in ledger.archives):
        return None
    ledger = without_missing(log, ledger)
    files = archive_files(log)
    for archived in reversed(ledger.archives):
        where = None if archived.packed else file_of(log, archived, files)
        if where is not None:
            return archived, os.open(where, os.O_RDONLY | os.O_CLOEXEC)
    return None


def _replace(log: Path, archived: Archived, inode: int) -> None:
    """Put the compressed file in the place of the plain one, under its name, and only then rename it."""
    part = part_path(log, PACKED_PART)
    ledger = without_missing(log, read_ledger(log))
    current = next((file for file in archive_files(log) if file.inode == archived.plain), None)
    if archived not in ledger.archives or current is None:
        part.unlink()  # deleted meanwhile
        return
    # The inode of the plain file, which is free afterwards, must not be known as this archive's for long.
    ledger = _written(log, ledger, archived, replace(archived, packed=inode))
    os.replace(part, current.path)
    os.replace(current.path, archive_path(log, current.number, packed=True))
    _written(log, ledger, replace(archived, packed=inode), replace(archived, packed=inode, plain=0))


def _written(log: Path, ledger: Ledger, old: Archived, new: Archived) -> Ledger:
    ledger = ledger.changed(archives=tuple(new if one == old else one for one in ledger.archives))
    write_ledger(log, ledger)
    return ledger
