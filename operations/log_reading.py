"""Reads what operations have said."""

from collections.abc import Iterator
from typing import Any

from operations.log_lines import Line
from operations.log_storing import PART_LINES
from operations.models import LogPart
from operations.states import ACTIVE

LINES_AT_ONCE = 500
BYTES_AT_ONCE = 64 * 1024


def read_lines(
    operation: int, after: int = 0, limit: int = LINES_AT_ONCE, most_bytes: int = BYTES_AT_ONCE
) -> list[Line]:
    """Return lines of an operation that come after line ``after``, in order. One query.

    ``limit`` lines at most, and no more than ``most_bytes`` of text, unless a single one is longer.
    """
    # No part is longer, so the one that line after + 1 is in begins behind this.
    parts = LogPart.objects.filter(
        operation=operation, first__gt=after - PART_LINES, first__lte=after + limit
    )
    lines = [
        Line(number, *line)
        for first, stored in parts.order_by("first").values_list("first", "lines")
        for number, line in enumerate(stored, first)
    ]
    return _bounded([line for line in lines if line.number > after][:limit], most_bytes)


def _bounded(lines: list[Line], most_bytes: int) -> list[Line]:
    size = 0
    for place, line in enumerate(lines):
        size += len(line.text.encode())
        if place and size > most_bytes:
            return lines[:place]
    return lines


def read_all(operation: int) -> Iterator[Line]:
    """Yield all lines of an operation. One query for each LINES_AT_ONCE."""
    after = 0
    while lines := read_lines(operation, after):
        yield from lines
        after = lines[-1].number


def piece(
    operation: int,
    status: str,
    log_lines: int,
    after: int = 0,
    limit: int = LINES_AT_ONCE,
    most_bytes: int = BYTES_AT_ONCE,
) -> dict[str, Any]:
    """Return some lines as API and stream give them, of an operation as it is known to be. One query."""
    lines = read_lines(operation, after, limit, most_bytes)
    last = lines[-1].number if lines else after
    return {
        "operation": operation,
        "lines": [line._asdict() for line in lines],
        "last": last,
        "log_lines": max(last, log_lines) if lines else log_lines,
        # One that has ended gets no more lines, so what was read of it then is the end of its log.
        "complete": status not in ACTIVE and last >= log_lines,
    }
