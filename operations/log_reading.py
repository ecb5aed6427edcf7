"""Reads what operations have said."""

from collections.abc import Iterator
from typing import Any

from operations.log_lines import Line
from operations.log_storing import PART_LINES
from operations.models import LogPart, Operation
from operations.states import ACTIVE

LINES_AT_ONCE = 500


def read_lines(operation: int, after: int = 0, limit: int = LINES_AT_ONCE) -> list[Line]:
    """Return up to ``limit`` lines of an operation that come after line ``after``, in order. One query."""
    # No part is longer, so the one that line after + 1 is in begins behind this.
    parts = LogPart.objects.filter(
        operation=operation, first__gt=after - PART_LINES, first__lte=after + limit
    )
    lines = [
        Line(number, *line)
        for first, stored in parts.order_by("first").values_list("first", "lines")
        for number, line in enumerate(stored, first)
    ]
    return [line for line in lines if line.number > after][:limit]


def read_all(operation: int) -> Iterator[Line]:
    """Yield all lines of an operation. One query for each LINES_AT_ONCE."""
    after = 0
    while lines := read_lines(operation, after):
        yield from lines
        after = lines[-1].number


def piece(row: Operation, after: int = 0, limit: int = LINES_AT_ONCE) -> dict[str, Any]:
    """Return some lines as API and stream give them. One query."""
    lines = read_lines(row.pk, after, limit)
    last = lines[-1].number if lines else after
    return {
        "operation": row.pk,
        "lines": [line._asdict() for line in lines],
        "last": last,
        "log_lines": max(last, row.log_lines),
        # One that has ended gets no more lines, so what was read of it then is the end of its log.
        "complete": row.status not in ACTIVE and last >= row.log_lines,
    }
