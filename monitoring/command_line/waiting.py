"""Waits at the shell for operations to end, and tells how they go."""

import time
from collections.abc import Sequence
from typing import Protocol

from django.utils import timezone

from monitoring.models import Node
from operations import words
from operations.models import Operation
from operations.states import FINISHED_VALUES, Status

POLL_SECONDS = 0.2
_DONE = {"start": "started", "stop": "stopped", "restart": "restarted"}


class Say(Protocol):
    """How something is told."""

    def __call__(self, line: str, *, bad: bool = False) -> None:
        """Print a line; ``bad`` ones stand out and go to standard error."""


def wait(operations: Sequence[Operation], verb: str, timeout: float, say: Say) -> int:
    """Return how many of the operations have succeeded once all have ended or ``timeout`` seconds passed.

    Each that ends, makes progress or is given up on is told through ``say``. Stops waiting for a node
    whose supervisor falls silent. Two queries every fifth of a second.
    """
    until = time.monotonic() + timeout
    open_ones = {operation.pk: operation for operation in operations}
    nodes = {operation.pk: operation.queue.removeprefix("node:") for operation in operations}
    told: dict[int, str] = {}
    succeeded = 0
    while open_ones:
        late = time.monotonic() >= until
        rows = Operation.objects.in_bulk(list(open_ones))
        supervised = _supervised()
        for pk, asked in list(open_ones.items()):
            row = rows.get(pk)
            if row is None:
                say(f"{asked.target_key}: operation {pk} was deleted before its end was seen.", bad=True)
            elif row.status in FINISHED_VALUES:
                succeeded += _tell_end(row, verb, say)
            elif late:
                say(
                    f"{row.target_key}: still {row.status.lower()} after {timeout:g} s (operation {pk}). "
                    "It goes on; see manage.py services status.",
                    bad=True,
                )
            elif nodes[pk] not in supervised:
                say(
                    f"{row.target_key}: the supervisor of node {nodes[pk]} does not report any more. "
                    f"Operation {pk} stays requested until {words.clock_time(row.deadline_at)}.",
                    bad=True,
                )
            else:
                _tell_progress(row, told, say)
                continue
            del open_ones[pk]
        if open_ones:
            time.sleep(POLL_SECONDS)
    return succeeded


def _supervised() -> set[str]:
    now = timezone.now()
    return {node.name for node in Node.objects.all() if node.is_supervised(now)}


def _tell_end(row: Operation, verb: str, say: Say) -> int:
    """Tell how an operation ended; return 1 for a success, else 0."""
    if row.status != Status.SUCCESS:
        say(f"{row.target_key}: {words.ended(row)}", bad=True)
        return 0
    spent = (row.finished_at - row.created_at).total_seconds() if row.finished_at else 0.0
    say(f"{row.target_key}: {_DONE.get(verb, 'done')} in {max(0.0, spent):.1f} s.")
    return 1


def _tell_progress(row: Operation, told: dict[int, str], say: Say) -> None:
    """Tell what an operation is doing, once for each thing that it does."""
    doing = row.progress_message or ("waiting for its turn" if row.status == Status.PENDING else "under way")
    if told.get(row.pk) != doing:
        told[row.pk] = doing
        say(f"{row.target_key}: {doing}")
