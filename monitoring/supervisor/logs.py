"""The log files of services: opened for them, rotated between two runs, read while they grow.

A service writes to its file itself, so it neither waits for a reader nor ends with one.
"""

import codecs
import contextlib
import os
import re
import stat
import time
from dataclasses import dataclass
from pathlib import Path

_QUIET_SECONDS = 1.0
_BLOCK = 64 * 1024
_TAIL_LIMIT = 1024 * 1024
_LEAST_LIMIT = 16
# Colours and cursor movements of terminals, then every control character but tab and line end.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROLS = {code: None for code in [*range(32), *range(0x7F, 0xA0)] if code not in (9, 10)}


def open_log(path: Path) -> int:
    """Return a descriptor that appends to ``path``; makes the directory and the file where missing.

    Raises OSError where the place is not writable or full.
    """
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY, 0o640)


def rotate_if_large(path: Path, max_bytes: int, keep: int) -> bool:
    """Move a file of ``max_bytes`` or more out of the way; return whether that happened.

    ``x.log`` becomes ``x.log.1``, that ``x.log.2``, and so on up to ``keep``; 0 keeps none. For the time
    between two runs. Raises OSError where the directory is not writable.
    """
    try:
        if path.stat().st_size < max_bytes:
            return False
    except FileNotFoundError:
        return False
    if keep <= 0:
        path.unlink()
        return True
    for number in range(keep - 1, 0, -1):
        with contextlib.suppress(FileNotFoundError):
            os.replace(_rotated(path, number), _rotated(path, number + 1))
    os.replace(path, _rotated(path, 1))
    return True


def _rotated(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def clean(text: str) -> str:
    """Return ``text`` fit for JSON and a page: newlines end its lines, escapes and controls are gone."""
    text = _ESCAPES.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return text.translate(_CONTROLS)


@dataclass(frozen=True, slots=True)
class LogChunk:
    """A piece of a log. ``offset`` and ``inode`` say where to go on."""

    text: str
    offset: int
    inode: int
    start: int
    """Where ``text`` begins in its file."""
    reset: bool
    """It does not follow what was read before: the file was rotated, truncated or replaced."""


class LogReader:
    """Reads a growing log in pieces, across rotations. Keeps no state and no open file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, offset: int, inode: int = 0, limit: int = _BLOCK) -> LogChunk:
        """Return up to ``limit`` bytes of whole lines from ``offset`` in the file that had ``inode``.

        ``inode`` 0 means the file as it is now. A line without an end is returned once it is longer than
        ``limit``, or once nothing was written for a second. A rotated file is read to its end first. A
        missing file gives an empty piece. Raises OSError where the file is there, but may not be read.
        """
        limit = max(limit, _LEAST_LIMIT)
        current = _inode(self.path)
        if inode and inode != current:
            return self._read_rotated(offset, inode, limit, current)
        return self._read_file(self.path, offset, inode, limit, growing=True)

    def _read_rotated(self, offset: int, inode: int, limit: int, current: int) -> LogChunk:
        number = self._number_of(inode) or self._number_of(inode)  # again: it may just be moving
        if not number:
            if not current:
                return LogChunk("", offset, inode, offset, reset=False)
            chunk = self._read_file(self.path, 0, 0, limit, growing=True)
            return LogChunk(chunk.text, chunk.offset, chunk.inode, chunk.start, reset=True)
        chunk = self._read_file(_rotated(self.path, number), offset, inode, limit, growing=False)
        if chunk.text or chunk.offset != offset:
            return chunk
        newer = _rotated(self.path, number - 1) if number > 1 else self.path
        follower = _inode(newer)
        if not follower:
            return LogChunk("", offset, inode, offset, reset=False)
        chunk = self._read_file(newer, 0, follower, limit, growing=number == 1)
        return LogChunk(chunk.text, chunk.offset, chunk.inode, chunk.start, reset=True)

    def _number_of(self, inode: int) -> int:
        number = 1
        while found := _inode(_rotated(self.path, number)):
            if found == inode:
                return number
            number += 1
        return 0

    def _read_file(self, path: Path, offset: int, inode: int, limit: int, *, growing: bool) -> LogChunk:
        fd = _open(path)
        if fd is None:
            return LogChunk("", offset, inode, offset, reset=False)
        try:
            status = os.fstat(fd)
            size = status.st_size
            reset = offset > size or offset < 0
            start = 0 if reset else offset
            data = os.pread(fd, min(limit, size - start), start)
        finally:
            os.close(fd)
        at_end = start + len(data) >= size
        quiet = abs(time.time() - status.st_mtime) >= _QUIET_SECONDS
        text, used = _whole_lines(
            data, full=len(data) >= limit, final=at_end and not growing, quiet=at_end and quiet
        )
        return LogChunk(clean(text), start + used, status.st_ino, start, reset)


def _whole_lines(data: bytes, *, full: bool, final: bool, quiet: bool) -> tuple[str, int]:
    """Return the text of the whole lines in ``data`` and how many bytes that was."""
    end = data.rfind(b"\n") + 1
    if final or quiet or (full and not end):
        end = len(data)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(data[:end], final)
    return text, end - len(decoder.getstate()[0])


def _open(path: Path) -> int | None:
    """Open a regular file to read; None where there is none. A pipe must not make us wait."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    return None


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return 0


def tail(path: Path, lines: int, limit: int = _TAIL_LIMIT) -> LogChunk:
    """Return the last ``lines`` lines, at most ``limit`` bytes of them, and where to go on reading.

    Reads backwards, so a huge file costs no more than a small one. A missing file gives an empty piece.
    Raises OSError where the file is there, but may not be read.
    """
    fd = _open(path)
    if fd is None:
        return LogChunk("", 0, 0, 0, reset=False)
    try:
        status = os.fstat(fd)
        data, start = b"", status.st_size
        floor = max(0, status.st_size - limit)
        while start > floor and data.count(b"\n") <= lines:
            length = min(_BLOCK, start - floor)
            start -= length
            data = os.pread(fd, length, start) + data
    finally:
        os.close(fd)
    quiet = abs(time.time() - status.st_mtime) >= _QUIET_SECONDS
    end = len(data) if quiet else data.rfind(b"\n") + 1
    begin = _begin_of_last(data[:end], lines) if lines > 0 else end
    if start + begin > 0 and begin == 0:
        # Cut off in the middle of a line, perhaps of a character.
        while begin < min(end, 4) and data[begin] & 0xC0 == 0x80:
            begin += 1
    text, used = _whole_lines(data[begin:end], full=True, final=False, quiet=True)
    return LogChunk(clean(text), start + begin + used, status.st_ino, start + begin, reset=False)


def _begin_of_last(data: bytes, lines: int) -> int:
    """Return where the last ``lines`` lines of ``data`` begin."""
    position = len(data) - 1 if data.endswith(b"\n") else len(data)
    for _ in range(lines):
        position = data.rfind(b"\n", 0, position)
        if position < 0:
            return 0
    return position + 1
