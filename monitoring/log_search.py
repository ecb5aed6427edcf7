"""Searches a log, archives included, from its end backwards: bounded in bytes and in time.

Knows nothing of Django: searches by regular expression run in a process of their own, see
``log_search_process``.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from medimgr.lib.plain_text import clean
from monitoring.supervisor.log_bytes import read_log

BLOCK_BYTES = 1024 * 1024
MOST_BYTES = 512 * 1024 * 1024
MOST_SECONDS = 4.0
LINE_BYTES = 4096
"""So much of a line is searched by a regular expression, and shown of one that was found."""
_LONGEST_LINE = 2 * BLOCK_BYTES
"""A longer line is searched in parts."""

Lines = Callable[[bytes], Iterator[tuple[int, int]]]
"""Gives begin and end of those lines in a block of whole lines that match."""


@dataclass(frozen=True, slots=True)
class Found:
    """A line that matched. ``offset`` is where it begins in the log."""

    offset: int
    line: str


@dataclass(frozen=True, slots=True)
class Search:
    """What a search has found."""

    matches: tuple[Found, ...]
    """The newest first."""
    count: int
    """How many lines match between ``scanned_from`` and ``scanned_to``, shown or not."""
    scanned_from: int
    scanned_to: int
    complete: bool
    """The search has come to the beginning of what is kept."""


def plain(text: str, *, case: bool = False) -> Lines:
    """Return what finds lines that hold ``text``; ``case``: upper and lower case differ."""
    if case or text.isascii():
        # Letters outside ASCII are bytes of 128 and above, which lower() leaves alone.
        wanted = text.encode("utf-8", "surrogatepass")
        return _by_bytes(wanted if case else wanted.lower(), lower=not case)
    folded = text.casefold()

    def lines(block: bytes) -> Iterator[tuple[int, int]]:
        for begin, end in _all_lines(block):
            if folded in block[begin:end].decode("utf-8", "replace").casefold():
                yield begin, end

    return lines


def _by_bytes(wanted: bytes, *, lower: bool) -> Lines:
    def lines(block: bytes) -> Iterator[tuple[int, int]]:
        text = block.lower() if lower else block
        place = text.find(wanted)
        while place >= 0:
            begin = text.rfind(b"\n", 0, place) + 1
            end = text.find(b"\n", place)
            end = len(text) if end < 0 else end
            yield begin, end
            place = text.find(wanted, end)

    return lines


def matching(matches: Callable[[str], object]) -> Lines:
    """Return what finds lines whose first 4 KiB, as they are shown, ``matches`` says something true of."""

    def lines(block: bytes) -> Iterator[tuple[int, int]]:
        for begin, end in _all_lines(block):
            text = block[begin : min(end, begin + LINE_BYTES)].decode("utf-8", "replace")
            if matches(clean(text)):
                yield begin, end

    return lines


def _all_lines(block: bytes) -> Iterator[tuple[int, int]]:
    begin = 0
    while begin < len(block):
        end = block.find(b"\n", begin)
        end = len(block) if end < 0 else end
        yield begin, end
        begin = end + 1


def search(
    path: Path,
    lines: Lines,
    *,
    before: int | None = None,
    limit: int = 200,
    most_bytes: int = MOST_BYTES,
    most_seconds: float = MOST_SECONDS,
) -> Search:
    """Return the newest lines that match, from before the logical offset ``before`` (None: the end) back.

    Stops after ``limit`` matches only in what it shows: it counts on, until it has read ``most_bytes`` or
    worked for ``most_seconds``. Raises OSError where the log may not be read.
    """
    began = time.monotonic()
    now = read_log(path, 1 << 62, 0)
    end = now.end if before is None else min(before, now.end)
    scanned_to, place, count = end, end, 0
    found: list[Found] = []
    rest = b""
    while place > now.first and scanned_to - place < most_bytes:
        if time.monotonic() - began > most_seconds:
            break
        start = max(now.first, place - BLOCK_BYTES)
        piece = read_log(path, start, place - start)
        if piece.next != place:  # an archive was deleted, or the log begun anew
            now = read_log(path, 1 << 62, 0)
            if piece.start >= place:
                place = start
                rest = b""
                continue
        block = piece.data + rest
        place = piece.start
        # The first line goes to the block before this one, unless there is none or it is endless.
        cut = block.find(b"\n") + 1 if place > now.first else 0
        if cut == 0 and place > now.first and len(block) < _LONGEST_LINE:
            rest = block
            continue
        rest = block[:cut]
        here = [
            (place + cut + b, block[cut + b : cut + min(e, b + LINE_BYTES)]) for b, e in lines(block[cut:])
        ]
        count += len(here)
        for offset, line in reversed(here[-(limit - len(found)) :] if limit > len(found) else []):
            found.append(Found(offset, clean(line.decode("utf-8", "replace")).rstrip("\n")))
    return Search(tuple(found), count, place + len(rest), scanned_to, complete=place <= now.first)
