"""Parts of a service's log, as the API gives them.

A path is made from the key of a declared service and from nothing else, so no other file can be named.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

from django.conf import settings

from medimgr.lib.plain_text import clean
from medimgr.lib.units import iso
from monitoring.exceptions import LogElsewhere, LogUnreadable
from monitoring.log_finding import find
from monitoring.models import Service
from monitoring.supervisor.log_archives import archive_files
from monitoring.supervisor.log_bytes import read_log
from monitoring.supervisor.log_ledger import read_ledger
from monitoring.supervisor.logs import LogChunk, LogReader, tail

READ_BYTES = 256 * 1024
Stream = Literal["stdout", "stderr"]
T = TypeVar("T")


def log_path(service: Service, stream: Stream = "stdout") -> Path:
    """Return where the service's log is; stderr's is the same unless it is declared to be apart.

    Raises LogElsewhere where that is not this machine.
    """
    if service.node.name != settings.MEDIMGR_NODE:
        raise LogElsewhere(
            f"The log of {service.key} is on node {service.node.name}. Ask the medimgr that runs there."
        )
    return service.stderr_path if stream == "stderr" else service.log_path


def last_lines(service: Service, lines: int, stream: Stream = "stdout") -> dict[str, Any]:
    """Return the last ``lines`` lines, 1 MiB at most. Raises LogElsewhere, LogUnreadable."""
    path = log_path(service, stream)
    chunk = readable(service, lambda: tail(path, lines))
    return _shape(service, chunk, skipped=chunk.start - chunk.first)


def after(service: Service, offset: int, inode: int | None, stream: Stream = "stdout") -> dict[str, Any]:
    """Return whole lines after ``offset``, 256 KiB at most. Raises LogElsewhere, LogUnreadable."""
    reader = LogReader(log_path(service, stream))
    chunk = readable(service, lambda: reader.read(offset, inode or 0, READ_BYTES))
    return _shape(service, chunk, skipped=0 if chunk.reset else max(0, chunk.start - offset))


def around(service: Service, offset: int, lines: int, stream: Stream = "stdout") -> dict[str, Any]:
    """Return the lines before and after the one that begins at ``offset``, some ``lines`` in all.

    ``found`` is the place of that line among them. Raises LogElsewhere, LogUnreadable.
    """
    path = log_path(service, stream)
    half = READ_BYTES // 2
    begin = max(0, offset - half)
    before = readable(service, lambda: read_log(path, begin, offset - begin)) if offset else None
    chunk = readable(service, lambda: LogReader(path).read(offset, 0, half))
    earlier: list[str] = []
    if before is not None and before.next == offset == chunk.start:
        earlier = clean(before.data.decode("utf-8", "replace")).split("\n")[:-1]
        if before.start > before.first:
            earlier = earlier[1:]  # half a line
        earlier = earlier[-(lines // 2) :]
    shape = _shape(service, chunk, skipped=0)
    later = shape["lines"][: lines - len(earlier)]
    return {**shape, "lines": [*earlier, *later], "found": len(earlier) if later else None}


def found_in(
    service: Service,
    text: str,
    stream: Stream = "stdout",
    *,
    regex: bool,
    case: bool,
    before: int | None,
    limit: int,
) -> dict[str, Any]:
    """Return which lines match, the newest first. Raises as :func:`monitoring.log_finding.find`."""
    path = log_path(service, stream)
    found = readable(service, lambda: find(path, text, regex=regex, case=case, before=before, limit=limit))
    return {
        "service": service.key,
        "search": text,
        "count": found.count,
        "matches": [{"offset": one.offset, "line": one.line} for one in found.matches],
        "scanned_from": found.scanned_from,
        "scanned_to": found.scanned_to,
        "complete": found.complete,
    }


def archives(service: Service, stream: Stream = "stdout") -> dict[str, Any]:
    """Return what is kept of the log: the archives, the newest first, and how far the whole reaches.

    Raises LogElsewhere, LogUnreadable.
    """
    path = log_path(service, stream)
    now = readable(service, lambda: read_log(path, 1 << 62, 0))
    ledger = read_ledger(path)
    files = readable(service, lambda: archive_files(path))
    items = []
    for file in files:
        known = next((one for one in ledger.archives if file.inode in one.inodes), None)
        items.append(
            {
                "number": file.number,
                "stored_bytes": file.stored,
                "compressed": file.path.suffix == ".gz",
                "ended_at": iso(datetime.fromtimestamp(file.modified, UTC)),
                "from": known.start if known else None,
                "to": known.end if known else None,
            }
        )
    return {
        "service": service.key,
        "apart": service.log_stderr_apart,
        "from": now.first,
        "live_from": now.live_start,
        "to": now.end,
        "archives": items,
    }


def readable(service: Service, read: Callable[[], T]) -> T:
    """Return what ``read`` returns. Raises LogUnreadable for its OSError."""
    try:
        return read()
    except OSError as error:
        raise LogUnreadable(
            f"The log of {service.key} cannot be read ({error.strerror}). "
            "Check the rights of the log directory."
        ) from error


def _shape(service: Service, chunk: LogChunk, *, skipped: int) -> dict[str, Any]:
    lines = chunk.text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return {
        "service": service.key,
        "lines": lines,
        "offset": chunk.offset,
        "inode": chunk.inode,
        "reset": chunk.reset,
        "skipped": skipped,
        "found": None,
    }
