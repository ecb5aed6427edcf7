"""Keeps all logs of a node within a number of bytes: the oldest archives go first, a live log never."""

import os
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from medimgr.lib.units import megabytes
from monitoring.supervisor.log_archives import archive_files
from monitoring.supervisor.log_ledger import read_ledger
from monitoring.supervisor.log_rotation import without_missing
from monitoring.supervisor.log_words import note

_ARCHIVE = re.compile(r"(.+\.log)\.[1-9][0-9]{0,5}(?:\.gz)?")
_BLOCK = 512


@dataclass(frozen=True, slots=True)
class _Found:
    log: str
    inode: int
    taken: int
    modified: float


def keep_within(
    directory: Path, budget: int, rotating: Callable[[str], AbstractContextManager[object]]
) -> str:
    """Delete the oldest archives until all logs in ``directory`` take ``budget`` bytes at most; 0: no budget.

    What was deleted is written into the log that it belonged to. ``rotating`` keeps rotations of the log with
    that name out. Returns in words what is still wrong, empty for nothing. Raises OSError.
    """
    if not budget:
        return ""
    total, archives = _look(directory)
    deleted: dict[str, list[_Found]] = {}
    for one in sorted(archives, key=lambda found: found.modified):
        if total <= budget:
            break
        with rotating(one.log):
            if not _delete(directory / one.log, one.inode):
                continue
        total -= one.taken
        deleted.setdefault(one.log, []).append(one)
    for log, gone in deleted.items():
        until = datetime.fromtimestamp(gone[-1].modified, UTC)
        many = f"{len(gone)} archives" if len(gone) > 1 else "the oldest archive"
        note(
            directory / log,
            f"to keep the node's logs within {megabytes(budget)} MB, {many} of this log "
            f"({megabytes(sum(one.taken for one in gone))} MB, until {until:%Y-%m-%d %H:%M:%S} UTC) "
            f"{'were' if len(gone) > 1 else 'was'} deleted.",
        )
    if total <= budget:
        return ""
    return (
        f"The logs of this node take {megabytes(total)} MB, their budget is {megabytes(budget)} MB, and "
        " no archive is left to delete. Raise the node's log budget, or lower the log sizes of services."
    )


def _look(directory: Path) -> tuple[int, list[_Found]]:
    """Return how many bytes the logs take on the disk, and the archives among them."""
    total, archives = 0, []
    try:
        entries = list(os.scandir(directory))
    except FileNotFoundError:
        return 0, []
    for entry in entries:
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        taken = status.st_blocks * _BLOCK
        total += taken
        match = _ARCHIVE.fullmatch(entry.name)
        if match:
            archives.append(_Found(match[1], status.st_ino, taken, status.st_mtime))
    return total, archives


def _delete(log: Path, inode: int) -> bool:
    """Delete the archive of ``log`` with this inode, whatever its name is by now; False where it is gone."""
    file = next((file for file in archive_files(log) if file.inode == inode), None)
    if file is None:
        return False
    file.path.unlink(missing_ok=True)
    ledger = read_ledger(log)
    if ledger.turn:
        without_missing(log, ledger)
    return True
