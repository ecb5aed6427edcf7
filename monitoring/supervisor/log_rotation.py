"""Rotates a log while its service goes on writing to it.

The beginning of the live file is copied into an archive; then the ledger says so, which is the moment that
counts; then those bytes are taken off the live file. Killed before that moment, nothing has happened but a
stray copy; after it, :func:`settle` finishes what is left. So nothing is lost and nothing is there twice.
Only where the file system can neither collapse nor punch is the file truncated, and what that may have cost
is written into the log.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from monitoring.supervisor import file_space
from monitoring.supervisor.log_archives import PACKED_PART, archive_files, archive_path, file_of, part_path
from monitoring.supervisor.log_ledger import PUNCH, TRUNCATE, Archived, Ledger, read_ledger, write_ledger
from monitoring.supervisor.log_words import note

_LEFT_BYTES = 1024 * 1024
"""So much at least stays in the live file, for those who look at its end; a quarter of a small one."""
_COPY_BYTES = 4 * 1024 * 1024
_CUT_TRIES = 4096
_CATCH_UP_TRIES = 20
_COMPARED = 64 * 1024


@dataclass(frozen=True, slots=True)
class Rotated:
    """What a rotation has done."""

    archived: int
    """Bytes that are in the new archive; with none to be kept, bytes that were dropped."""
    hole: int
    """Bytes at the beginning of the live file that take no space, but count as its size."""
    room_made: int = 0
    """Bytes of old archives that had to go first, since the disk was full."""


@dataclass(frozen=True, slots=True)
class _Live:
    log: Path
    fd: int
    inode: int

    @property
    def size(self) -> int:
        return os.fstat(self.fd).st_size


def rotate(log: Path, *, max_bytes: int, keep: int) -> Rotated | None:
    """Archive the beginning of ``log`` once ``max_bytes`` of it are in no archive; None before that.

    ``keep`` archives stay. On a full disk the oldest ones make room, which is written into the log. One
    caller at a time for each log. Raises OSError; then the log is as it was.
    """
    with _live(log) as live:
        if live is None:
            return None
        made = 0
        while True:
            try:
                ledger = settle_open(live.log, live.fd, live.inode)
                if live.size - (ledger.archived_to - ledger.base) < max_bytes:
                    return None
                archived = _archive(live, ledger, max_bytes, keep)
                after = read_ledger(log)
                hole = after.archived_to - after.base
                return Rotated(archived, hole, made) if archived else None
            except OSError as error:
                with contextlib.suppress(OSError):
                    _settle_part(log, read_ledger(log))
                full = error.errno in (errno.ENOSPC, errno.EDQUOT)
                room = _make_room(live) if full else 0
                if not room:
                    raise
                made += room


def settle(log: Path) -> int:
    """Finish what a rotation or a compression of ``log`` has left undone; return its hole, as ``Rotated``.

    Raises OSError. For the first look at a log: nobody else may be rotating or compressing it.
    """
    if (ledger := read_ledger(log)).turn:
        _settle_packed(log, ledger)
    with _live(log) as live:
        if live is not None:
            ledger = settle_open(live.log, live.fd, live.inode)
            return ledger.archived_to - ledger.base
    _settle_part(log, read_ledger(log))
    return 0


@contextlib.contextmanager
def _live(log: Path) -> Iterator[_Live | None]:
    try:
        fd = os.open(log, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except (FileNotFoundError, NotADirectoryError):
        yield None
        return
    try:
        status = os.fstat(fd)
        yield _Live(log, fd, status.st_ino) if stat.S_ISREG(status.st_mode) else None
    finally:
        os.close(fd)


# --- the part before the moment that counts ----------------------------------------------------------------


def _archive(live: _Live, ledger: Ledger, max_bytes: int, keep: int) -> int:
    """Copy the beginning, say so in the ledger, take it off. Returns how many bytes."""
    punching = file_space.can_punch(live.log.parent)
    begin = ledger.archived_to - ledger.base
    end = _cut(live, begin, min(_LEFT_BYTES, max_bytes // 4)) if punching else live.size
    if end <= begin:
        return 0
    # The inode of an archive that was deleted by hand may be given to the new one.
    ledger = without_missing(live.log, ledger)
    archives = ledger.archives
    if keep > 0:
        fd = os.open(part_path(live.log), os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        try:
            end = _copy(live, fd, begin, end, catch_up=not punching)
            modified = os.fstat(live.fd).st_mtime_ns
            os.utime(fd, ns=(modified, modified))
            os.fsync(fd)
            made = Archived(ledger.base + begin, ledger.base + end, os.fstat(fd).st_ino)
        finally:
            os.close(fd)
        archives = (made, *archives)
    _shift(live.log, keep)
    if punching:
        file_space.write_out(live.fd, end)
    files = archive_files(live.log)
    ledger = ledger.changed(
        archived_to=ledger.base + end,
        cutting=PUNCH if punching else TRUNCATE,
        archives=tuple(one for one in archives if file_of(live.log, one, files)),
    )
    write_ledger(live.log, ledger)
    settle_open(live.log, live.fd, live.inode)
    return end - begin


def _cut(live: _Live, begin: int, left: int) -> int:
    """Return where the part to be archived ends: between two blocks, and between two lines if possible."""
    block = file_space.block_size(live.fd)
    last = (live.size - left) // block * block
    least = max(begin, last - (last - begin) // 2, last - _CUT_TRIES * block)
    for end in range(last, least, -block):
        if os.pread(live.fd, 1, end - 1) == b"\n":
            return end
    return last


def _copy(live: _Live, target: int, begin: int, end: int, *, catch_up: bool) -> int:
    """Copy the bytes from ``begin`` to ``end``; return the end, later where it had to catch up."""
    place = begin
    for _ in range(_CATCH_UP_TRIES):
        while place < end:
            copied = os.sendfile(target, live.fd, place, min(_COPY_BYTES, end - place))
            if not copied:
                raise OSError(errno.EIO, "it became shorter while it was copied")
            place += copied
        if not catch_up or live.size <= end:
            break
        end = live.size
    return place


def _shift(log: Path, keep: int) -> None:
    """Give every archive the next number, as far as that is needed, and delete those beyond ``keep``."""
    files = archive_files(log)
    for file in files:
        if file.number > keep:
            file.path.unlink(missing_ok=True)
    taken = {file.number for file in files}
    gap = next(number for number in range(1, len(taken) + 2) if number not in taken)
    for file in reversed(files):
        if file.number >= min(gap, keep + 1):
            continue
        if file.number == keep:
            file.path.unlink(missing_ok=True)
        else:
            packed = file.path.suffix == ".gz"
            os.replace(file.path, archive_path(log, file.number + 1, packed=packed))


def _make_room(live: _Live) -> int:
    """Delete the oldest archive of this log; return its bytes, 0 where there is none."""
    files = archive_files(live.log)
    if not files:
        return 0
    oldest = files[-1]
    oldest.path.unlink(missing_ok=True)
    note(live.log, f"the disk is full: the oldest archive of this log ({oldest.path.name}) was deleted.")
    return oldest.stored or 1


# --- the part after it -------------------------------------------------------------------------------------


def settle_open(log: Path, fd: int, inode: int) -> Ledger:
    """Bring the live file and the names of the archives in line with the ledger, and return it.

    Each step can be done twice, so that whoever finds it half done does all of it. Raises OSError.
    """
    ledger = read_ledger(log)
    _settle_part(log, ledger)
    if not ledger.turn:
        return ledger.changed(inode=inode)
    if ledger.inode != inode:
        # Another file: begun anew, by hand or by a start after somebody had removed it.
        ledger = _write(log, ledger.changed(inode=inode, base=ledger.archived_to, cutting=""))
    archived = ledger.archived_to - ledger.base
    size = os.fstat(fd).st_size
    if ledger.cutting == PUNCH:
        if size >= archived:
            file_space.punch(fd, 0, archived)
        ledger = _write(log, ledger.changed(cutting=""))
    elif ledger.cutting == TRUNCATE:
        return _truncated(log, fd, ledger)
    if archived:
        base = ledger.live_base(fd, inode, size)
        if base == ledger.base:
            file_space.write_out(fd, size)
            if file_space.collapse(fd, archived):
                base = ledger.archived_to
        if base != ledger.base:
            ledger = _write(log, ledger.changed(base=base))
    return ledger


def _write(log: Path, ledger: Ledger) -> Ledger:
    write_ledger(log, ledger)
    return ledger


def _settle_part(log: Path, ledger: Ledger) -> None:
    """Give the newest archive its name; delete a copy that the ledger does not know."""
    part = part_path(log)
    try:
        inode = part.stat().st_ino
    except (FileNotFoundError, NotADirectoryError):
        return
    if ledger.archives and ledger.archives[0].plain == inode:
        if any(file.number == 1 for file in archive_files(log)):
            _shift(log, 1_000_000)
        os.replace(part, archive_path(log, 1))
    else:
        part.unlink()


def without_missing(log: Path, ledger: Ledger) -> Ledger:
    """Strike archives out of the ledger whose files are gone. Raises OSError."""
    files = archive_files(log)
    present = tuple(one for one in ledger.archives if file_of(log, one, files))
    return ledger if present == ledger.archives else _write(log, ledger.changed(archives=present))


def _settle_packed(log: Path, ledger: Ledger) -> None:
    """Finish a compression of which the ledger says that it is complete; delete half of one."""
    part = part_path(log, PACKED_PART)
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        inode = part.stat().st_ino
        if any(one.packed == inode for one in ledger.archives):
            for file in archive_files(log):
                if any(one.plain == file.inode and one.packed == inode for one in ledger.archives):
                    os.replace(part, file.path)
                    break
        part.unlink(missing_ok=True)
    for file in archive_files(log):
        if file.path.suffix != ".gz" and any(one.packed == file.inode for one in ledger.archives):
            os.replace(file.path, archive_path(log, file.number, packed=True))
    inodes = {file.inode for file in archive_files(log)}
    settled = tuple(
        replace(one, plain=0) if one.packed in inodes else replace(one, packed=0) for one in ledger.archives
    )
    if settled != ledger.archives:
        _write(log, ledger.changed(archives=settled))


def _truncated(log: Path, fd: int, ledger: Ledger) -> Ledger:
    """Truncate the live file, all of which is archived, and say what that may have cost."""
    archived = ledger.archived_to - ledger.base
    size = os.fstat(fd).st_size
    lost = 0
    if size >= archived and _still_there(log, fd, ledger):
        lost = size - archived
        os.ftruncate(fd, 0)
    ledger = _write(log, ledger.changed(base=ledger.archived_to, cutting=""))
    note(
        log,
        (f"{lost} bytes that were written just before this line are lost, " if lost else "")
        + ("perhaps a few more" if lost else "what was written just before this line may be lost")
        + ": this file system knows no other way to shorten a log than to truncate it.",
    )
    return ledger


def _still_there(log: Path, fd: int, ledger: Ledger) -> bool:
    """Return whether the live file still begins with what the newest archive holds."""
    if not ledger.archives or not (where := file_of(log, ledger.archives[0], archive_files(log))):
        return True
    length = ledger.archives[0].end - ledger.archives[0].start
    with open(where, "rb") as archive:
        copied = archive.fileno()
        return all(
            os.pread(copied, _COMPARED, place) == os.pread(fd, min(_COMPARED, length - place), place)
            for place in (0, max(0, length - _COMPARED))
        )
