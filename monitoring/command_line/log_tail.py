"""``services tail``: the end of a service's log, and what is added to it."""

import time
from collections.abc import Callable

from medimgr.lib.problems import Problem
from monitoring.exceptions import LogUnreadable
from monitoring.log_pages import log_path
from monitoring.models import Service
from monitoring.supervisor.logs import LogReader, tail

POLL_SECONDS = 0.2


class NoLog(Problem):
    """The service has not written a log yet."""

    code = "no-log"
    status = 404


def show(service: Service, lines: int, write: Callable[[str], None]) -> tuple[int, int]:
    """Write the last ``lines`` lines; return offset and inode to go on from, inode 0 for a missing file.

    Raises LogElsewhere, LogUnreadable.
    """
    path = log_path(service)
    try:
        chunk = tail(path, lines)
    except OSError as error:
        raise LogUnreadable(f"{path} cannot be read: {error.strerror}.") from None
    _write(chunk.text, write)
    return chunk.offset, chunk.inode


def follow(
    service: Service,
    offset: int,
    inode: int,
    write: Callable[[str], None],
    note: Callable[[str], None],
) -> None:
    """Write what is added to the log, across rotations, until interrupted. Raises LogUnreadable."""
    reader = LogReader(log_path(service))
    while True:
        try:
            chunk = reader.read(offset, inode)
        except OSError as error:
            raise LogUnreadable(f"{reader.path} cannot be read: {error.strerror}.") from None
        if chunk.reset:
            note(f"--- the log of {service.key} begins anew ---")
        _write(chunk.text, write)
        moved = (chunk.offset, chunk.inode) != (offset, inode)
        offset, inode = chunk.offset, chunk.inode
        if not moved:
            time.sleep(POLL_SECONDS)


def _write(text: str, write: Callable[[str], None]) -> None:
    if text:
        write(text if text.endswith("\n") else f"{text}\n")
