"""What of a log has been archived: a small file beside it, ``KEY.log.rotation``.

A log's bytes are numbered from the first one ever written to it: these logical offsets outlive rotations.
Bytes below ``archived_to`` are in archives (or were deleted with the oldest); the live file holds the rest.
The ledger is replaced in one step, so a reader sees one or the other; who was killed in the middle of a
rotation has left enough for the next one to finish it.
"""

import contextlib
import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from monitoring.supervisor.file_space import begins_with_hole

PUNCH = "punch"
TRUNCATE = "truncate"


@dataclass(frozen=True, slots=True)
class Archived:
    """One archive: the logical offsets of its bytes, and by which inodes its file is known."""

    start: int
    end: int
    plain: int
    """Inode of the file as it was copied."""
    packed: int = 0
    """Inode of the compressed file that takes its place; 0 where there is none."""

    @property
    def inodes(self) -> tuple[int, ...]:
        """Return the inodes that the archive's file may have, whatever its name is by now."""
        return tuple(inode for inode in (self.packed, self.plain) if inode)


@dataclass(frozen=True, slots=True)
class Ledger:
    """The state of one log's rotation."""

    turn: int = 0
    """Grows with every change, so that a reader knows whether there was one."""
    inode: int = 0
    """Of the live file that ``base`` is about."""
    base: int = 0
    """Logical offset of the live file's first byte, be that a hole by now."""
    archived_to: int = 0
    cutting: str = ""
    """What is being done to the live file's archived bytes: they may or may not be there."""
    archives: tuple[Archived, ...] = ()
    """The newest first."""

    def live_base(self, fd: int, inode: int, size: int) -> int:
        """Return the logical offset of the first byte of the live file as it is now. Raises OSError.

        Collapsing takes off what was punched before, in one step of the kernel's: a hole at the beginning
        tells that it has not happened yet. Without the hole it has, or the file was begun anew by hand.
        """
        archived = self.archived_to - self.base
        if inode != self.inode:
            return self.archived_to
        if not archived or self.cutting == PUNCH:
            return self.base
        if size < archived:
            return self.archived_to
        if self.cutting == TRUNCATE or begins_with_hole(fd, archived):
            return self.base
        return self.archived_to

    def changed(self, **fields: object) -> "Ledger":
        """Return the next turn's ledger."""
        return replace(self, turn=self.turn + 1, **fields)  # type: ignore[arg-type]


def ledger_path(log: Path) -> Path:
    """Return where the ledger of ``log`` is."""
    return log.with_name(f"{log.name}.rotation")


def read_ledger(log: Path) -> Ledger:
    """Return the ledger of ``log``; one without an entry where it was never rotated or makes no sense."""
    try:
        with open(ledger_path(log), "rb") as file:
            fields = json.loads(file.read())
        archives = tuple(Archived(**one) for one in fields.pop("archives"))
        return Ledger(**fields, archives=archives)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return Ledger()


def write_ledger(log: Path, ledger: Ledger) -> None:
    """Replace the ledger of ``log``; it is on the disk before this returns. Raises OSError."""
    path = ledger_path(log)
    fresh = path.with_name(f"{path.name}.new")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(json.dumps(asdict(ledger), separators=(",", ":")).encode())
            file.flush()
            os.fsync(fd)
        os.replace(fresh, path)
    except OSError:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise
