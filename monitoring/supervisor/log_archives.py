"""The archives of a log: ``KEY.log.1`` is the newest, ``KEY.log.2.gz`` an older one that was compressed.

A compressed archive is a series of gzip members, each of which says in its header how long it is, so that
any place of it is found without unpacking what comes before. gzip(1) reads it as one file.
"""

import gzip
import os
import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from monitoring.supervisor.log_ledger import Archived

PART = "part"
PACKED_PART = "gz.part"
_MEMBER_BYTES = 256 * 1024
_LEVEL = 4
_HEADER = struct.Struct("<4sIBBHccHII")
"""gzip's header with one extra field, ours: the lengths of the member, packed and unpacked."""
_MAGIC = b"\x1f\x8b\x08\x04"
_UNKNOWN_SYSTEM = 255
_FIELD = (b"m", b"M")


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """An archive as the directory lists it."""

    path: Path
    number: int
    inode: int
    stored: int
    """Bytes that it takes."""
    modified: float
    """When its last line was written; seconds since the epoch."""


def archive_path(log: Path, number: int, *, packed: bool = False) -> Path:
    """Return the name of the archive with ``number``."""
    return log.with_name(f"{log.name}.{number}{'.gz' if packed else ''}")


def part_path(log: Path, kind: str = PART) -> Path:
    """Return where an archive is made, before it gets its name."""
    return log.with_name(f"{log.name}.{kind}")


def archive_files(log: Path) -> list[ArchiveFile]:
    """Return the archives of ``log`` that are there, the newest first. Raises OSError."""
    lead = log.name + "."
    found = []
    try:
        names = os.listdir(log.parent)
    except FileNotFoundError:
        return []
    for name in names:
        if not name.startswith(lead):
            continue
        match = re.fullmatch(r"([1-9][0-9]{0,5})(?:\.gz)?", name[len(lead) :])
        if match is None:
            continue
        path = log.with_name(name)
        try:
            status = path.stat()
        except FileNotFoundError:
            continue
        found.append(ArchiveFile(path, int(match[1]), status.st_ino, status.st_size, status.st_mtime))
    return sorted(found, key=lambda file: (file.number, file.path.name))


def file_of(log: Path, archived: Archived, files: list[ArchiveFile]) -> Path | None:
    """Return where ``archived`` is by now, None where it was deleted."""
    for file in files:
        if file.inode in archived.inodes:
            return file.path
    # Its name is the last thing that it gets.
    part = part_path(log)
    try:
        return part if part.stat().st_ino in archived.inodes else None
    except OSError:
        return None


def pack(source: int, target: int, length: int, stopped: Callable[[], bool]) -> bool:
    """Compress ``length`` bytes of one open file into another; return False where ``stopped`` said so.

    Raises OSError. To be run in a thread: compressing lets other threads run.
    """
    for start in range(0, length, _MEMBER_BYTES):
        if stopped():
            return False
        data = os.pread(source, min(_MEMBER_BYTES, length - start), start)
        packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        body = packer.compress(data) + packer.flush()
        total = _HEADER.size + len(body) + 8
        header = _HEADER.pack(_MAGIC, 0, 0, _UNKNOWN_SYSTEM, 12, *_FIELD, 8, total, len(data))
        member = memoryview(header + body + struct.pack("<II", zlib.crc32(data), len(data)))
        while member:
            member = member[os.write(target, member) :]
    return True


def read_archive(fd: int, archived: Archived, offset: int, limit: int) -> bytes:
    """Return up to ``limit`` bytes of an open archive from the logical ``offset``. Raises OSError."""
    begin = offset - archived.start
    limit = min(limit, archived.end - offset)
    if os.fstat(fd).st_ino != archived.packed:
        return os.pread(fd, limit, begin)
    return _read_packed(fd, begin, limit)


def _read_packed(fd: int, begin: int, limit: int) -> bytes:
    place, data = 0, b""
    while len(data) < limit:
        header = os.pread(fd, _HEADER.size, place)
        if len(header) < _HEADER.size or not header.startswith(_MAGIC):
            break
        *_, packed, length = _HEADER.unpack(header)
        if begin < length:
            data += gzip.decompress(os.pread(fd, packed, place))[begin : begin + limit - len(data)]
            begin = 0
        else:
            begin -= length
        place += packed
    return data
