"""Looks for a line in the logs of services that are starting: one timer for all, while there are any.

Offsets are logical: they outlive the log's rotation. A file that has not changed costs one ``stat``.
"""

import asyncio
import logging
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from monitoring.supervisor.log_bytes import read_log
from monitoring.supervisor.log_lines import LogLines

log = logging.getLogger(__name__)
LOOK_SECONDS = 0.05
_PIECE = 64 * 1024
_IN_A_TURN = 16
"""So many pieces are read in one turn at most, one of each log; the others follow soon."""
_SOON_SECONDS = 0.002
_TOLD = 200
_QUIET_LOOKS = 20
"""After so many looks without a change, a line without an end counts as one."""
_Signature = tuple[int, int, int]


@dataclass(slots=True, eq=False)
class _Watched:
    key: str
    path: Path
    offset: int
    pattern: re.Pattern[str]
    found: Callable[[str], None]
    lines: LogLines = field(default_factory=LogLines)
    seen: _Signature | None = None
    """How the file was when it was read last."""
    file: tuple[int, int] | None = None
    """Inode and logical beginning of the live file at that time."""
    behind: bool = False
    """It was not read to its end."""
    quiet: int = 0
    blind: bool = False


class LogWatch:
    """Calls back once, with the first line that matches, up to 200 characters of it. On the loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._watched: dict[str, _Watched] = {}
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, key: str, path: Path, offset: int, pattern: str, found: Callable[[str], None]) -> None:
        """Look for ``pattern`` (as ``re.search`` does) in the lines of ``path`` from ``offset`` on.

        Takes the place of what was watched for ``key`` before. The first 2 KiB of a line count. Raises
        ValueError, in words, where the pattern makes no sense.
        """
        self.stop(key)
        try:
            compiled = re.compile(pattern)
        except re.error as error:
            raise ValueError(f"The pattern {pattern!r} makes no sense: {error}.") from error
        self._watched[key] = _Watched(key, path, offset, compiled, found)
        if self._timer is None:
            self._timer = self._loop.call_later(LOOK_SECONDS, self._look)

    def stop(self, key: str) -> None:
        """Look no longer for ``key``; one that is not watched is passed over."""
        self._watched.pop(key, None)
        if not self._watched and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        """Look at all, in turn: whoever had a piece read goes to the end of the line."""
        self._timer = None
        pieces = 0
        for one in list(self._watched.values()):
            if self._watched.get(one.key) is not one:
                continue  # a call-back has stopped it
            before = _signature(one.path)
            if before == one.seen and not one.behind:
                one.quiet += 1
                if one.quiet == _QUIET_LOOKS:
                    self._match(one, [one.lines.unended()])
                continue
            if pieces == _IN_A_TURN:
                break
            pieces += 1
            self._watched[one.key] = self._watched.pop(one.key)
            self._read(one, before)
        if self._watched and self._timer is None:
            more = pieces == _IN_A_TURN or any(one.behind for one in self._watched.values())
            self._timer = self._loop.call_later(_SOON_SECONDS if more else LOOK_SECONDS, self._look)

    def _read(self, one: _Watched, before: _Signature | None) -> None:
        try:
            piece = read_log(one.path, one.offset, _PIECE)
        except OSError as error:
            if not one.blind:
                log.warning("%s: its log %s cannot be read: %s", one.key, one.path, error)
            one.blind, one.seen, one.behind = True, before, False
            return
        one.quiet, one.seen = 0, before
        file = (piece.inode, piece.live_start)
        by_hand = one.file is not None and piece.inode != one.file[0] and piece.live_start == one.file[1]
        one.file = file
        if by_hand or piece.end < one.offset:
            # Emptied or replaced, which no rotation does: it goes on at its beginning.
            one.offset, one.behind = piece.live_start, piece.end > piece.live_start
            one.lines = LogLines()
            return
        one.offset = piece.next
        one.behind = one.offset < piece.end
        self._match(one, one.lines.feed(piece.data))

    def _match(self, one: _Watched, lines: list[str]) -> None:
        for line in lines:
            if one.pattern.search(line):
                self.stop(one.key)
                one.found(line.strip()[:_TOLD])
                return


def _signature(path: Path) -> _Signature | None:
    """Return what changes whenever the file does, None where it is not there."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
