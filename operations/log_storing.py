"""Brings the lines of operations into the database, with the writes of whoever holds the operations."""

from collections.abc import Iterable, Sequence
from functools import partial

from django.db import transaction
from django.db.models import F

from operations.log_lines import Line, OperationLog, open_log
from operations.models import LogPart, Operation
from operations.states import Status

PART_LINES = 250
PART_BYTES = 64 * 1024
"""More than this is stored as several parts: a reader takes whole ones."""


def store_along(rows: Iterable[Operation]) -> None:
    """Store the lines that this process still has of ``rows``, in the transaction that has changed them.

    The rows must be locked by it, as they are after an UPDATE, and as new as it made them; they get their
    new ``log_lines`` and ``log_bytes``. No query for those without lines; else one UPDATE each and one
    INSERT for all.
    """
    parts: list[LogPart] = []
    for row in rows:
        # One that has ended holds no lease any more, but keeps the token.
        log = open_log(row)
        if log is None:
            continue
        lines = log.after(row.log_lines)
        if lines:
            parts += _parts(row, lines)
            row.log_lines = lines[-1].number
            size = sum(len(line.text.encode()) for line in lines)
            row.log_bytes += size
            Operation.objects.filter(pk=row.pk).update(
                log_lines=row.log_lines, log_bytes=F("log_bytes") + size
            )
        transaction.on_commit(partial(_stored, log, row.log_lines, row.status))
    if parts:
        LogPart.objects.bulk_create(parts)


def _stored(log: OperationLog, lines: int, status: str) -> None:
    log.forget(lines)
    if status != Status.RUNNING:
        log.close()


def _parts(row: Operation, lines: Sequence[Line]) -> list[LogPart]:
    parts: list[LogPart] = []
    room = 0
    for line in lines:
        size = len(line.text.encode())
        if not parts or size > room or len(parts[-1].lines) >= PART_LINES:
            parts.append(LogPart(operation_id=row.pk, first=line.number, lines=[]))
            room = PART_BYTES
        parts[-1].lines.append([line.at, line.level, line.text])
        room -= size
    return parts
