"""The log files of services: opened for them, rotated between two runs, read while they grow.

A service writes to its file itself, so it neither waits for a reader nor ends with one.
"""

import codecs
import contextlib
import os
import re
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

_QUIET_SECONDS = 1.0
_BLOCK = 64 * 1024
_TAIL_LIMIT = 1024 * 1024
_LEAST_LIMIT = 16
_ROTATION_TRIES = 10
# Colours and cursor movements of terminals, then every control character but tab and line end.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROLS = {code: None for code in [*range(32), *range(0x7F, 0xA0)] if code not in (9, 10)}


def open_log(path: Path) -> int:
    """Return a descriptor that appends to ``path``; makes the directory and the file where missing.

    Raises OSError where the place is not writable or full.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY
    try:
        return os.open(path, flags, 0o640)
    except FileNotFoundError:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        return os.open(path, flags, 0o640)


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
    for number in range(keep - 1, 0, -1):
        with contextlib.suppress(FileNotFoundError):
            os.replace(_rotated(path, number), _rotated(path, number + 1))
    if keep > 0:
        os.replace(path, _rotated(path, 1))
    # What is left of a time when more were kept.
    for number in _rotated_numbers(path):
        if number > keep:
            _rotated(path, number).unlink(missing_ok=True)
    return True


def _rotated(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def _rotated_numbers(path: Path) -> list[int]:
    """Return the numbers of the rotated files beside ``path``, the newest's first."""
    lead = path.name + "."
    try:
        names = [name.removeprefix(lead) for name in os.listdir(path.parent) if name.startswith(lead)]
    except OSError:
        return []
    return sorted(int(name) for name in names if re.fullmatch(r"[1-9][0-9]{0,5}", name))


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
        with _opened(self.path) as file:
            if file is not None and inode in (0, file.inode):
                return file.piece(offset, limit, growing=True)
        if not inode:
            return LogChunk("", offset, 0, offset, reset=False)
        for _ in range(_ROTATION_TRIES):
            chunk = self._read_rotated(offset, inode, limit)
            if chunk is not None:
                return chunk
        # It is not among the rotated ones: deleted, or replaced by hand.
        with _opened(self.path) as file:
            if file is None:
                return LogChunk("", offset, inode, offset, reset=False)
            return replace(file.piece(0, limit, growing=True), reset=True)

    def _read_rotated(self, offset: int, inode: int, limit: int) -> LogChunk | None:
        """Go on in the rotated file, then in the one after it. None where it was not found or just moved."""
        number = self._number_of(inode)
        if number is None:
            return None
        with _opened(self._place(number)) as file:
            if file is None or file.inode != inode:
                return None
            chunk = file.piece(offset, limit, growing=False)
        if chunk.offset != offset:
            return chunk
        for newer in range(number - 1, -1, -1):
            with _opened(self._place(newer)) as file:
                # Older files move first: if ours has not moved, the one behind it had not either.
                if _inode(self._place(number)) != inode:
                    return None
                if file is not None:
                    return replace(file.piece(0, limit, growing=newer == 0), reset=True)
        # The service has not opened its new file yet.
        return LogChunk("", offset, inode, offset, reset=False)

    def _number_of(self, inode: int) -> int | None:
        """Return the number of the rotated file with ``inode``, None where there is none.

        Files move to higher numbers meanwhile, so upwards is the direction in which none slips through.
        """
        numbers = _rotated_numbers(self.path)
        for number in [*numbers, numbers[-1] + 1] if numbers else [1]:
            if _inode(self._place(number)) == inode:
                return number
        return None

    def _place(self, number: int) -> Path:
        return _rotated(self.path, number) if number else self.path


@dataclass(frozen=True, slots=True)
class _OpenFile:
    """A log file as it was when it was opened."""

    fd: int
    inode: int
    size: int
    quiet: bool
    """Nothing was written to it for a while: its last line, though without an end, is worth showing."""

    def piece(self, offset: int, limit: int, *, growing: bool) -> LogChunk:
        """Return a piece from ``offset``; of a file that no longer grows, an unended last line too."""
        reset = not 0 <= offset <= self.size
        start = 0 if reset else offset
        data = os.pread(self.fd, min(limit, self.size - start), start)
        at_end = start + len(data) >= self.size
        text, used = _whole_lines(
            data,
            partial=(len(data) >= limit and b"\n" not in data) or (at_end and (self.quiet or not growing)),
            final=at_end and not growing,
        )
        return LogChunk(clean(text), start + used, self.inode, start, reset)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[_OpenFile | None]:
    """Open a regular file to read; None where there is none. A pipe in its place must not make us wait."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except (FileNotFoundError, NotADirectoryError):
        yield None
        return
    try:
        status = os.fstat(fd)
        quiet = abs(time.time() - status.st_mtime) >= _QUIET_SECONDS
        yield (_OpenFile(fd, status.st_ino, status.st_size, quiet) if stat.S_ISREG(status.st_mode) else None)
    finally:
        os.close(fd)


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return 0


def _whole_lines(data: bytes, *, partial: bool, final: bool) -> tuple[str, int]:
    """Return the text of the lines in ``data`` and how many bytes that was.

    ``partial``: an unended last line counts as a line, but for the bytes of an unfinished character, unless
    no more will come (``final``).
    """
    end = len(data) if partial else data.rfind(b"\n") + 1
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(data[:end], final)
    return text, end - len(decoder.getstate()[0])


def tail(path: Path, lines: int, limit: int = _TAIL_LIMIT) -> LogChunk:
    """Return the last ``lines`` lines, at most ``limit`` bytes of them, and where to go on reading.

    Reads backwards, so a huge file costs no more than a small one. A missing file gives an empty piece.
    Raises OSError where the file is there, but may not be read.
    """
    with _opened(path) as file:
        if file is None:
            return LogChunk("", 0, 0, 0, reset=False)
        data, start = b"", file.size
        floor = max(0, file.size - max(limit, _LEAST_LIMIT))
        while start > floor and data.count(b"\n") <= lines:
            length = min(_BLOCK, start - floor)
            start -= length
            data = os.pread(file.fd, length, start) + data
        end = len(data) if file.quiet else data.rfind(b"\n") + 1
    begin = _begin_of_last(data[:end], lines) if lines > 0 else end
    if begin == 0 and start > 0:
        # Cut off in the middle of a line, perhaps of a character.
        while begin < min(end, 4) and data[begin] & 0xC0 == 0x80:
            begin += 1
    text, used = _whole_lines(data[begin:end], partial=True, final=False)
    return LogChunk(clean(text), start + begin + used, file.inode, start + begin, reset=False)


def _begin_of_last(data: bytes, lines: int) -> int:
    """Return where the last ``lines`` lines of ``data`` begin."""
    position = len(data) - 1 if data.endswith(b"\n") else len(data)
    for _ in range(lines):
        position = data.rfind(b"\n", 0, position)
        if position < 0:
            return 0
    return position + 1
