"""Knows an emulator that an operation has made, also after a worker was lost over it."""

from collections.abc import Iterable

from operations.job import Job
from workstations.emulator_kinds.listing import Listing
from workstations.ldplayer.list2 import Instance

_BEFORE = "indexes before"


def remember(job: Job, reading: Listing, message: str) -> frozenset[int]:
    """Store for good which indexes were taken before anything is made; return them."""
    job.checkpoint({_BEFORE: sorted(reading.indexes)}, 0, 2, message)
    return reading.indexes


def remembered(job: Job) -> frozenset[int] | None:
    """Return what an earlier try of this operation has remembered; None where none came so far. No query."""
    stored = job.operation.checkpoint
    return frozenset(stored[_BEFORE]) if isinstance(stored, dict) and _BEFORE in stored else None


def newcomer(reading: Listing, before: Iterable[int], title: str) -> Instance | None:
    """Return the emulator called ``title`` that was not there before. Pure."""
    taken = set(before)
    return next((one for one in reading.titled(title) if one.index not in taken), None)
