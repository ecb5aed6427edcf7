"""Downloads of a service's log: any range of it, across archives and the live file, as one text."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from django.http import StreamingHttpResponse

from monitoring.exceptions import LogUnreadable, NoLogYet, NoSuchArchive
from monitoring.log_pages import READ_BYTES, Stream, log_path, readable
from monitoring.models import Service
from monitoring.supervisor.log_archives import archive_files
from monitoring.supervisor.log_bytes import read_log, unbroken_from
from monitoring.supervisor.log_ledger import read_ledger


def download(
    service: Service,
    stream: Stream = "stdout",
    *,
    begin: int | None = None,
    end: int | None = None,
    last: int | None = None,
    archive: int | None = None,
) -> StreamingHttpResponse:
    """Return a range of the log as an attachment, as it is at this moment.

    From the offset ``begin`` to ``end``; the ``last`` so many bytes, from the beginning of a line; what the
    ``archive`` with that number holds; or all that is kept. It is read in a thread while it is sent, and may
    be rotated meanwhile. Raises LogElsewhere, LogUnreadable, NoLogYet, NoSuchArchive.
    """
    path = log_path(service, stream)
    now = readable(service, lambda: read_log(path, 1 << 62, 0))
    if not now.inode and now.end == now.first:
        if path.exists():
            raise LogUnreadable(f"The log of {service.key} is not a file.")
        raise NoLogYet(f"{service.key} has not written a log yet; it has to run once.")
    name = path.stem
    if archive is not None:
        first, end = _range_of(service, path, archive)
        name = f"{name}.{archive}"
    else:
        first = readable(service, lambda: unbroken_from(path))
        if last is not None:
            begin = readable(service, lambda: _line_start(path, max(first, now.end - last)))
        first = max(first, begin or 0)
    after = max(first, min(now.end, now.end if end is None else end))
    response = StreamingHttpResponse(_Pieces(path, first, after), content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.log"'
    response["Content-Length"] = str(after - first)
    response["X-Log-From"] = str(first)
    response["Cache-Control"] = "no-store"
    return response


def _range_of(service: Service, path: Path, number: int) -> tuple[int, int]:
    file = next((one for one in readable(service, lambda: archive_files(path)) if one.number == number), None)
    known = file and next((one for one in read_ledger(path).archives if file.inode in one.inodes), None)
    if not known:
        raise NoSuchArchive(
            f"The log of {service.key} has no archive {number}. GET /api/services/{service.key}/log/archives "
            "lists those that it has."
        )
    return known.start, known.end


def _line_start(path: Path, position: int) -> int:
    """Return where the first line at or after ``position`` begins. Raises OSError."""
    if position <= 0:
        return 0
    piece = read_log(path, position - 1, READ_BYTES)
    newline = piece.data.find(b"\n")
    return piece.start + newline + 1 if newline >= 0 else position


class _Pieces:
    """The bytes between two offsets of a log."""

    def __init__(self, path: Path, begin: int, end: int) -> None:
        self._path = path
        self._begin = begin
        self._end = end

    async def __aiter__(self) -> AsyncIterator[bytes]:
        place = self._begin
        while place < self._end:
            length = min(READ_BYTES, self._end - place)
            piece = await asyncio.to_thread(read_log, self._path, place, length)
            if piece.start != place or not piece.data:
                # The client has been promised so many bytes: only a broken connection tells it the truth.
                raise OSError(None, f"{self._path.name} was cut while it was being downloaded")
            place = piece.next
            yield piece.data
