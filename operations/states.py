"""The states of an operation and their groups. Imports the standard library alone."""

from enum import StrEnum


class Status(StrEnum):
    """Where an operation is.

    ``PENDING → RUNNING → SUCCESS | FAILED | CANCELLED | TIMEOUT`` and ``PENDING → CANCELLED``, or
    ``PENDING → TIMEOUT`` where nobody took it in time. A finished operation never changes again.
    """

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMEOUT = "TIMEOUT"


ACTIVE = frozenset({Status.PENDING, Status.RUNNING})
FINISHED = frozenset(set(Status) - ACTIVE)
# The same as sorted lists of texts, for queries and constraints: a set has no order, and a constraint
# written in another order is another constraint to Django's migrations.
ACTIVE_VALUES = sorted(status.value for status in ACTIVE)
FINISHED_VALUES = sorted(status.value for status in FINISHED)

TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.PENDING: frozenset({Status.RUNNING, Status.CANCELLED, Status.TIMEOUT, Status.FAILED}),
    Status.RUNNING: FINISHED,
    **dict.fromkeys(FINISHED, frozenset()),
}


def allowed(old: Status, new: Status) -> bool:
    """Return whether an operation may go from ``old`` to ``new``."""
    return new in TRANSITIONS[old]
