"""Parts of a service's log, as the API gives them.

A path is made from the key of a declared service and from nothing else, so no other file can be named.
"""

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import StreamingHttpResponse

from monitoring.exceptions import LogElsewhere, LogUnreadable, NoLogYet
from monitoring.models import Service
from monitoring.supervisor.logs import LogChunk, LogReader, tail

READ_BYTES = 256 * 1024
# Daphne takes whatever it is given, however slowly the client reads: a download occupies its memory.
DOWNLOAD_BYTES = 64 * 1024 * 1024


def last_lines(service: Service, lines: int) -> dict[str, Any]:
    """Return the last ``lines`` lines, 1 MiB at most. Raises LogElsewhere, LogUnreadable."""
    path = log_path(service)
    return _shape(service, _read(service, lambda: tail(path, lines)), asked_from=None)


def after(service: Service, offset: int, inode: int | None) -> dict[str, Any]:
    """Return whole lines after ``offset``, 256 KiB at most. Raises LogElsewhere, LogUnreadable."""
    reader = LogReader(log_path(service))
    chunk = _read(service, lambda: reader.read(offset, inode or 0, READ_BYTES))
    return _shape(service, chunk, asked_from=offset)


def log_path(service: Service) -> Path:
    """Return where the service's log is. Raises LogElsewhere where that is not this machine."""
    if service.node.name != settings.MEDIMGR_NODE:
        raise LogElsewhere(
            f"The log of {service.key} is on node {service.node.name}. Ask the medimgr that runs there."
        )
    return service.log_path


def _read(service: Service, read: Callable[[], LogChunk]) -> LogChunk:
    try:
        return read()
    except OSError as error:
        raise _unreadable(service, error) from error


def _unreadable(service: Service, error: OSError) -> LogUnreadable:
    return LogUnreadable(
        f"The log of {service.key} cannot be read ({error.strerror}). Check the rights of the log directory."
    )


def _shape(service: Service, chunk: LogChunk, *, asked_from: int | None) -> dict[str, Any]:
    lines = chunk.text.split("\n")
    if lines[-1] == "":
        lines.pop()
    skipped = chunk.start if asked_from is None or chunk.reset else chunk.start - asked_from
    return {
        "service": service.key,
        "lines": lines,
        "offset": chunk.offset,
        "inode": chunk.inode,
        "reset": chunk.reset,
        "skipped": skipped,
    }


def download(service: Service) -> StreamingHttpResponse:
    """Return the newest 64 MiB of the log as an attachment, cut at a line, as it is at this moment.

    Raises LogElsewhere, LogUnreadable, NoLogYet. The file is read in a thread while it is sent.
    """
    path = log_path(service)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except FileNotFoundError:
        raise NoLogYet(f"{service.key} has not written a log yet; it has to run once.") from None
    except OSError as error:
        raise _unreadable(service, error) from error
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        os.close(fd)
        raise LogUnreadable(f"The log of {service.key} is not a file.")
    begin = _line_start(fd, status.st_size - DOWNLOAD_BYTES)
    response = StreamingHttpResponse(
        _Pieces(fd, begin, status.st_size), content_type="text/plain; charset=utf-8"
    )
    response["Content-Disposition"] = f'attachment; filename="{service.key}.log"'
    response["Content-Length"] = str(status.st_size - begin)
    response["X-Skipped-Bytes"] = str(begin)
    response["Cache-Control"] = "no-store"
    return response


def _line_start(fd: int, position: int) -> int:
    """Return where the first line at or after ``position`` begins."""
    if position <= 0:
        return 0
    newline = os.pread(fd, READ_BYTES, position - 1).find(b"\n")
    return position + newline if newline >= 0 else position


class _Pieces:
    """The bytes of an open file between two places. Closes the file at its end or with the response."""

    def __init__(self, fd: int, begin: int, end: int) -> None:
        self._fd = fd
        self._begin = begin
        self._end = end

    async def __aiter__(self) -> AsyncIterator[bytes]:
        position = self._begin
        while position < self._end and self._fd >= 0:
            length = min(READ_BYTES, self._end - position)
            piece = await asyncio.to_thread(os.pread, self._fd, length, position)
            if not piece:  # somebody has cut the file meanwhile
                break
            position += len(piece)
            yield piece
        self.close()

    def close(self) -> None:
        """Close the file. Django calls it once the response has ended, however it has."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
