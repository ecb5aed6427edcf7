"""A service's log on a page's stream: ``?log=<service key>`` and, to go on, ``&log_offset=&log_inode=``.

``&log_stream=stderr`` is that of stderr, where it is apart.

The file is the buffer: while a client does not read, nothing is read for it, and a client that falls far
behind is taken to the end of the file and told how much it has missed.
"""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.db.models import Model

from medimgr.events import frames
from medimgr.events.sources import Outlet
from medimgr.lib.access import demand
from monitoring.exceptions import LogElsewhere, UnknownService
from monitoring.log_pages import Stream, log_path
from monitoring.models import Service
from monitoring.supervisor.log_bytes import log_end
from monitoring.supervisor.logs import LogChunk, LogReader, tail

POLL_SECONDS = 0.2
PIECE_BYTES = 16 * 1024
"""One message holds this much of the log, or one longer line in parts."""
PIECES_AT_ONCE = 8
"""So much of a log that grows fast is sent at each poll, so that no stream holds up the others."""
FIRST_LINES = 1000
FIRST_BYTES = 64 * 1024
MAX_BEHIND_BYTES = 1024 * 1024


def open_log_source(user: Any, key: str, parameters: Mapping[str, str]) -> "LogSource":
    """Return the source for the log of the service ``key``. One query, and one for permissions.

    Raises NotAllowed and UnknownService. A log on another machine is no refusal, since the page's stream
    carries more than the log: the source says so in its one message.
    """
    demand(user, "tail", Service)
    # PostgreSQL refuses a NUL in a comparison; no key holds one anyway.
    rows = Service.objects.none() if "\0" in key else Service.objects.visible_to(user)
    service = rows.select_related("node").filter(key=key).first()
    if service is None:
        raise UnknownService(f"There is no service with the key {key!r} any more.")
    demand(user, "tail", service)
    stream: Stream = "stderr" if parameters.get("log_stream") == "stderr" else "stdout"
    try:
        path = log_path(service, stream)
    except LogElsewhere as problem:
        return LogSource(key, None, stream=stream, problem=problem.detail)
    return LogSource(
        key,
        path,
        stream=stream,
        offset=_number(parameters.get("log_offset")),
        inode=_number(parameters.get("log_inode")) or 0,
    )


class LogSource:
    """Follows one log file for one stream."""

    name = "log"
    rights: frozenset[tuple[str, type[Model]]] = frozenset({("tail", Service)})

    def __init__(
        self,
        key: str,
        path: Path | None,
        *,
        stream: Stream = "stdout",
        offset: int | None = None,
        inode: int = 0,
        problem: str = "",
    ) -> None:
        """Follow ``path`` from ``offset`` in the file with ``inode``; without an offset, its last part."""
        self._key = key
        self._path = path
        self._stream = stream
        self._offset = offset
        self._inode = inode
        self._problem = problem
        self._read_to: tuple[int, int, int] | None = None
        """The file as it was when all of it had been read."""

    async def run(self, outlet: Outlet) -> None:
        """See :class:`medimgr.events.sources.Source`. Reads small pieces of a local file in the loop."""
        if self._path is None:
            outlet.send(self._message(LogChunk("", 0, 0, 0, reset=False), problem=self._problem))
            return
        first = True
        while True:
            if not outlet.reaches(self._key):  # moved out of the user's scope meanwhile
                self._tell(outlet, f"There is no service with the key {self._key!r} any more.")
                return
            try:
                self._send_new(outlet, self._path, first)
                self._problem, first = "", False
            except OSError as error:
                self._tell(outlet, f"The log of {self._key} cannot be read ({error.strerror}).")
            await asyncio.sleep(POLL_SECONDS)

    def _send_new(self, outlet: Outlet, path: Path, first: bool) -> None:
        if self._offset is None:
            chunk = tail(path, FIRST_LINES, FIRST_BYTES)
            self._send(outlet, chunk, skipped=chunk.start - chunk.first)
            return
        for _ in range(PIECES_AT_ONCE):
            if outlet.is_lagging:
                return
            now = _file_as_it_is(path)
            if now == self._read_to and not first:
                return
            end = log_end(path)
            if now[0] == (self._inode or now[0]) and end - self._offset > MAX_BEHIND_BYTES:
                behind = self._offset
                chunk = tail(path, FIRST_LINES, FIRST_BYTES)
                self._send(outlet, chunk, skipped=max(0, chunk.start - behind))
                return
            behind = self._offset
            chunk = LogReader(path).read(behind, self._inode, PIECE_BYTES)
            if chunk.offset == end and chunk.inode == now[0]:
                self._read_to = now
            if not chunk.text and not chunk.reset and not first:
                self._offset, self._inode = chunk.offset, chunk.inode
                return
            self._send(outlet, chunk, skipped=0 if chunk.reset else max(0, chunk.start - behind))
            first = False

    def _send(self, outlet: Outlet, chunk: LogChunk, *, skipped: int) -> None:
        self._offset, self._inode = chunk.offset, chunk.inode
        outlet.send(self._message(chunk, skipped=skipped))

    def _message(self, chunk: LogChunk, *, skipped: int = 0, problem: str = "") -> bytes:
        lines = chunk.text.split("\n")
        if lines[-1] == "":
            lines.pop()
        data: dict[str, Any] = {
            "service": self._key,
            "stream": self._stream,
            "start": chunk.start,
            "offset": chunk.offset,
            "inode": chunk.inode,
            "lines": lines,
            "skipped": skipped,
            "reset": chunk.reset,
        }
        return frames.log({**data, "problem": problem} if problem else data)

    def _tell(self, outlet: Outlet, problem: str) -> None:
        if problem != self._problem:
            self._problem = problem
            nothing = LogChunk("", self._offset or 0, self._inode, self._offset or 0, reset=False)
            outlet.send(self._message(nothing, problem=problem))


def _file_as_it_is(path: Path) -> tuple[int, int, int]:
    """Return what tells whether anything was written, zeros where there is no file. Raises OSError."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return 0, 0, 0
    return status.st_ino, status.st_size, status.st_mtime_ns


def _number(text: str | None) -> int | None:
    """Return a whole number, None for anything else: a bad offset is as good as none."""
    if text and text.isascii() and text.isdecimal() and len(text) <= 18:
        return int(text)
    return None
