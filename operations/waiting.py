"""Waits at the shell for operations to end, and tells how they go."""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from operations import words
from operations.models import Operation
from operations.states import FINISHED_VALUES, Status

POLL_SECONDS = 0.2


class Say(Protocol):
    """How something is told."""

    def __call__(self, line: str, *, bad: bool = False) -> None:
        """Print a line; ``bad`` ones stand out and go to standard error."""


def wait(
    operations: Sequence[Operation],
    timeout: float,
    say: Say,
    *,
    name: Callable[[Operation], str],
    done: str = "done",
    look: str = "manage.py operations show",
    hopeless: Callable[[], Callable[[Operation], str]] = lambda: lambda _row: "",
) -> int:
    """Return how many of the operations have succeeded once all have ended or ``timeout`` seconds passed.

    Each that ends, makes progress or is given up on is told through ``say``: by its ``name``, ``done`` is the
    word for a success, ``look`` where to look for what goes on. ``hopeless`` is called at each look and
    returns what says why it is in vain to wait for an operation, empty where it is not. One query every
    fifth of a second besides.
    """
    until = time.monotonic() + timeout
    open_ones = {operation.pk: operation for operation in operations}
    told: dict[int, str] = {}
    succeeded = 0
    while open_ones:
        late = time.monotonic() >= until
        rows = Operation.objects.in_bulk(list(open_ones))
        in_vain = hopeless()
        for pk, asked in list(open_ones.items()):
            row = rows.get(pk)
            if row is None:
                say(f"{name(asked)}: operation {pk} was deleted before its end was seen.", bad=True)
            elif row.status in FINISHED_VALUES:
                succeeded += _tell_end(row, name(row), done, say)
            elif late:
                say(
                    f"{name(row)}: still {row.status.lower()} after {timeout:g} s (operation {pk}). "
                    f"It goes on; see {look}.",
                    bad=True,
                )
            elif why := in_vain(row):
                say(f"{name(row)}: {why}", bad=True)
            else:
                _tell_progress(row, name(row), told, say)
                continue
            del open_ones[pk]
        if open_ones:
            time.sleep(POLL_SECONDS)
    return succeeded


def _tell_end(row: Operation, name: str, done: str, say: Say) -> int:
    """Tell how an operation ended; return 1 for a success, else 0."""
    if row.status != Status.SUCCESS:
        say(f"{name}: {words.ended(row)}", bad=True)
        return 0
    spent = (row.finished_at - row.created_at).total_seconds() if row.finished_at else 0.0
    say(f"{name}: {done} in {max(0.0, spent):.1f} s.")
    return 1


def _tell_progress(row: Operation, name: str, told: dict[int, str], say: Say) -> None:
    """Tell what an operation is doing, once for each thing that it does."""
    doing = row.progress_message or ("waiting for its turn" if row.status == Status.PENDING else "under way")
    if told.get(row.pk) != doing:
        told[row.pk] = doing
        say(f"{name}: {doing}")
