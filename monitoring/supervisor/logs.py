"""The log files of services: opened for them, and read line by line while they grow and are rotated.

A service writes to its file itself, so it neither waits for a reader nor ends with one.
"""

import codecs
import os
from dataclasses import dataclass, replace
from pathlib import Path

from medimgr.lib.plain_text import clean
from monitoring.supervisor.log_bytes import read_log

_BLOCK = 64 * 1024
_TAIL_LIMIT = 1024 * 1024
_LEAST_LIMIT = 16
_FAR = 1 << 62


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


@dataclass(frozen=True, slots=True)
class LogChunk:
    """A piece of a log. ``offset`` and ``inode`` say where to go on; offsets outlive rotations."""

    text: str
    offset: int
    inode: int
    start: int
    """Where ``text`` begins."""
    reset: bool
    """It does not follow what was read before: the file was truncated or replaced by hand."""
    first: int = 0
    """Where the oldest byte is that is kept."""


class LogReader:
    """Reads a growing log in pieces, across rotations. Keeps no state and no open file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, offset: int, inode: int = 0, limit: int = _BLOCK) -> LogChunk:
        """Return up to ``limit`` bytes of whole lines from ``offset`` in the log whose file had ``inode``.

        ``inode`` 0 means the file as it is now. A line without an end is returned once it is longer than
        ``limit``, or once nothing was written for a second. What is no longer kept is passed over: then
        ``start`` is beyond ``offset``. A missing file gives an empty piece. Raises OSError where the file
        is there, but may not be read.
        """
        limit = max(limit, _LEAST_LIMIT)
        offset = max(offset, 0)
        piece = read_log(self.path, offset, limit)
        reset = False
        if not piece.inode and not piece.data:
            return LogChunk("", offset, inode, offset, reset=False, first=piece.first)
        if inode and piece.inode != inode and offset < piece.live_start:
            # Its file is gone, but not what had been archived of it.
            piece = replace(read_log(self.path, offset, limit, archived_only=True), inode=inode)
        elif (inode and piece.inode != inode) or offset > piece.end:
            piece, reset = read_log(self.path, piece.live_start, limit), True
        short = len(piece.data) < limit
        at_end = piece.next >= piece.end
        broken_off = short and not at_end  # what follows is no longer kept, or not of this file
        text, used = _whole_lines(
            piece.data,
            partial=broken_off or (at_end and piece.quiet) or (not short and b"\n" not in piece.data),
            final=broken_off,
        )
        return LogChunk(
            clean(text), piece.start + used, piece.inode, piece.start, reset=reset, first=piece.first
        )


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
    now = read_log(path, _FAR, 0)
    data, start = b"", now.end
    floor = max(now.first, now.end - max(limit, _LEAST_LIMIT))
    while start > floor and data.count(b"\n") <= lines:
        length = min(_BLOCK, start - floor)
        piece = read_log(path, start - length, length)
        if piece.next != start:  # deleted, or begun anew, at this moment
            break
        data, start = piece.data + data, piece.start
    end = len(data) if now.quiet else data.rfind(b"\n") + 1
    begin = _begin_of_last(data[:end], lines) if lines > 0 else end
    if begin == 0 and start > now.first:
        # Cut off in the middle of a line: that is left out, unless it is all there is.
        begin = data.find(b"\n", 0, max(0, end - 1)) + 1
    if begin == 0 and start > now.first:
        while begin < min(end, 4) and data[begin] & 0xC0 == 0x80:
            begin += 1
    text, used = _whole_lines(data[begin:end], partial=True, final=False)
    offset = start + begin + used
    return LogChunk(clean(text), offset, now.inode, start + begin, reset=False, first=now.first)


def _begin_of_last(data: bytes, lines: int) -> int:
    """Return where the last ``lines`` lines of ``data`` begin."""
    position = len(data) - 1 if data.endswith(b"\n") else len(data)
    for _ in range(lines):
        position = data.rfind(b"\n", 0, position)
        if position < 0:
            return 0
    return position + 1
