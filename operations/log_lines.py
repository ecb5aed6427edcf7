"""What an operation says while it is carried out: its lines on their way into the database. No query here.

Lines are numbered from 1 and kept until the database has them. How many it has, ``log_lines`` in the
operation's row says and nobody else, so that after a commit with an uncertain outcome nothing is stored
twice and nothing is left out.
"""

import functools
import re
import threading
import time
import weakref
from collections import deque
from datetime import datetime
from typing import NamedTuple

from django.conf import settings
from django.utils import timezone

from medimgr.lib.masking import known_values, mask_with
from medimgr.lib.plain_text import harmless
from medimgr.lib.units import iso
from operations.models import Operation

LEVELS = ("debug", "info", "warning", "error")
MOST_LINES = 5000
MOST_BYTES = 1024 * 1024
AT_ONCE_LINES = 100
"""So many are stored without waiting for more."""
LONGEST_LINE = 8 * 1024
"""Bytes of one line that are kept."""
CUT_MARK = " … (cut)"
NOT_KEPT = f"The rest is not kept: a log holds {MOST_LINES} lines or {MOST_BYTES // 1024} KiB."
LONGEST_TEXT = 256 * 1024
"""Characters of one call that are looked at."""
_SLACK = 1024
"""A cut goes through no secret that is shorter: so much before it is left out."""


class Line(NamedTuple):
    """One line, as it is stored and shown."""

    number: int
    at: str
    level: str
    text: str


class OperationLog:
    """The log of one operation in the hands of whoever carries it out. Any thread may write to it."""

    def __init__(self, operation: Operation) -> None:
        """Begin behind what is stored of ``operation``, which has just been claimed."""
        self.operation = operation.pk
        self.token = operation.lease_token
        self.written_at = 0.0
        """When lines of it were last stored, by the monotonic clock."""
        self.begun_at = 0.0
        """When the oldest line came that is not stored."""
        self._lock = threading.Lock()
        self._lines: deque[Line] = deque()
        self._count = operation.log_lines
        self._bytes = operation.log_bytes
        self._closed = self._count > MOST_LINES
        self._values: list[str] = []
        self._known = _own_pattern()
        with _open_lock:
            _open[self.operation, self.token] = self

    def mask(self, value: str) -> None:
        """Never let ``value`` into a line from now on, nor a form of it (see :mod:`medimgr.lib.masking`)."""
        self._values.append(value)
        self._known = known_values([*_own_secrets(), *self._values])

    def masked(self, text: str) -> str:
        """Return ``text`` without secrets."""
        return mask_with(self._known, text)

    def add(self, text: str, level: str = "info", at: datetime | None = None) -> bool:
        """Take the lines of ``text``, masked and cut; return whether it is time to look after storing them.

        Raises ValueError for a level that is none of :data:`LEVELS`.
        """
        if level not in LEVELS:
            raise ValueError(f"{level!r} is no level of a log: {', '.join(LEVELS)}.")
        if self._closed:
            return False
        moment = iso(at or timezone.now()) or ""
        texts = self._texts(text)
        with self._lock:
            first = not self._lines
            for one in texts:
                self._take(moment, level, one)
            return (first and bool(self._lines)) or len(self._lines) >= AT_ONCE_LINES

    @property
    def waiting(self) -> int:
        """Return how many lines are not known to be stored."""
        return len(self._lines)

    def after(self, stored: int) -> list[Line]:
        """Return the lines that come after the first ``stored`` ones."""
        with self._lock:
            return [line for line in self._lines if line.number > stored]

    def forget(self, stored: int) -> None:
        """Let go of the first ``stored`` lines: the database has them for good."""
        with self._lock:
            while self._lines and self._lines[0].number <= stored:
                self._lines.popleft()
            self.begun_at = self.written_at = time.monotonic()

    def close(self) -> None:
        """Take no line any more, and let go of all: the operation has ended, or somebody else has it."""
        with self._lock:
            self._closed = True
            self._lines.clear()

    def _take(self, at: str, level: str, text: str) -> None:
        if self._closed:
            return
        size = len(text.encode())
        if self._count >= MOST_LINES or self._bytes + size > MOST_BYTES:
            self._closed = True
            level, text = "warning", NOT_KEPT
        if not self._lines:
            self.begun_at = time.monotonic()
        self._count += 1
        self._bytes += size
        self._lines.append(Line(self._count, at, level, text))

    def _texts(self, text: str) -> list[str]:
        cut = len(text) > LONGEST_TEXT
        if cut:
            text = text[:LONGEST_TEXT]
        # Masked before it is cut into lines: a key may go over several.
        text = self.masked(harmless(text))
        if cut:
            text = text[: -max(_SLACK, *map(len, self._values), 1)] + CUT_MARK
        return [_fitting(line) for line in text.removesuffix("\n").split("\n")]


def _fitting(line: str) -> str:
    data = line.encode()
    if len(data) <= LONGEST_LINE:
        return line
    return data[: LONGEST_LINE - len(CUT_MARK.encode())].decode("utf-8", "ignore") + CUT_MARK


@functools.cache
def _own_secrets() -> tuple[str, ...]:
    """Return what medimgr itself must not tell."""
    found = [settings.SECRET_KEY, *(str(one.get("PASSWORD") or "") for one in settings.DATABASES.values())]
    return tuple(value for value in found if value)


@functools.cache
def _own_pattern() -> re.Pattern[str] | None:
    return known_values(_own_secrets())


def without_secrets(text: str) -> str:
    """Return ``text`` without what looks like a secret, and without medimgr's own."""
    return mask_with(_own_pattern(), text)


# Those that somebody in this process may still write to. Whoever carries an operation out holds its log.
_open: "weakref.WeakValueDictionary[tuple[int, int], OperationLog]" = weakref.WeakValueDictionary()
_open_lock = threading.Lock()


def open_log(operation: Operation) -> OperationLog | None:
    """Return the log that this process writes for ``operation`` as it holds it, None where it does not."""
    return _open.get((operation.pk, operation.lease_token))


def open_logs() -> list[OperationLog]:
    """Return all logs that this process may still write to."""
    with _open_lock:
        return list(_open.values())
