"""``services tail``: the end of a service's log, or the last lines with a text, and what is added to it."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from monitoring.exceptions import LogUnreadable
from monitoring.log_finding import find
from monitoring.log_pages import Stream, log_path
from monitoring.models import Service
from monitoring.supervisor.logs import LogReader, tail

POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines of a log are wanted."""

    lines: int
    search: str = ""
    """Only lines with this text, in either case; from archives, too."""
    stream: Stream = "stdout"

    def shows(self, line: str) -> bool:
        """Return whether a line is wanted."""
        return self.search.casefold() in line.casefold()


@dataclass(frozen=True, slots=True)
class Place:
    """Where to go on reading. ``inode`` is 0 where there is no file yet."""

    offset: int
    inode: int


def show(
    service: Service, wanted: Wanted, write: Callable[[str], None], note: Callable[[str], None]
) -> Place:
    """Write the last lines that are wanted; return where to go on. Raises LogElsewhere, LogUnreadable."""
    path = log_path(service, wanted.stream)
    try:
        chunk = tail(path, 0 if wanted.search else wanted.lines)
        if wanted.search and wanted.lines:
            # Up to where the tail goes on, so that no line comes twice and none is left out.
            found = find(path, wanted.search, before=chunk.offset, limit=wanted.lines)
            for match in reversed(found.matches):
                _write(match.line, write)
            if not found.complete:
                note(
                    f"--- searched the last {(found.scanned_to - found.scanned_from) // 1_000_000} MB; "
                    "what is older was left out ---"
                )
    except OSError as error:
        raise LogUnreadable(f"{path} cannot be read: {error.strerror}.") from None
    _write(chunk.text, write)
    return Place(chunk.offset, chunk.inode)


def follow(
    service: Service,
    wanted: Wanted,
    place: Place,
    write: Callable[[str], None],
    note: Callable[[str], None],
) -> None:
    """Write what is added to the log, across rotations, until interrupted. Raises LogUnreadable."""
    reader = LogReader(log_path(service, wanted.stream))
    offset, inode = place.offset, place.inode
    while True:
        try:
            chunk = reader.read(offset, inode)
        except OSError as error:
            raise LogUnreadable(f"{reader.path} cannot be read: {error.strerror}.") from None
        if chunk.reset:
            note(f"--- the log of {service.key} begins anew ---")
        elif chunk.start > offset:
            note(f"--- {chunk.start - offset} bytes are no longer kept ---")
        text = chunk.text
        if wanted.search:
            text = "".join(line for line in text.splitlines(keepends=True) if wanted.shows(line))
        _write(text, write)
        moved = (chunk.offset, chunk.inode) != (offset, inode)
        offset, inode = chunk.offset, chunk.inode
        if not moved:
            time.sleep(POLL_SECONDS)


def _write(text: str, write: Callable[[str], None]) -> None:
    if text:
        write(text if text.endswith("\n") else f"{text}\n")
