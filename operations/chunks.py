"""Work on many items in chunks: what is done stays done, whatever happens to the worker in between."""

from collections.abc import Iterator
from typing import Any

from operations.exceptions import CheckpointUnfit
from operations.job import Job

CHUNK = 32


def each_chunk(job: Job, total: int, size: int = CHUNK) -> Iterator[tuple[int, int]]:
    """Yield ``(start, stop)`` of one chunk after the other of ``total`` items, counted from 0.

    A chunk counts as done once the handler asks for the next: that is stored for good, with the progress,
    before anything else, and then it is checked whether to go on, see :meth:`Job.check_cancelled`. A retry
    of a resumable kind goes on behind the last chunk that was stored; the one that was in work when its
    worker died is done again, so the work on one chunk should be safe to repeat, or one transaction.

    Memory does not grow with ``total``. Raises ValueError for numbers that make no sense, CheckpointUnfit
    where there are not as many items as when the work began: which of them are done
    is not known then. Two queries and an event for each chunk.
    """
    if total < 0 or size < 1:
        raise ValueError(f"{total} items in chunks of {size} can't be done.")
    start = done_before(job, total)
    job.progress(start, total, _words(start, total, size))
    while start < total:
        stop = min(start + size, total)
        yield start, stop
        job.checkpoint({"done": stop, "total": total}, stop, total, _words(stop, total, size))
        start = stop


def done_before(job: Job, total: int) -> int:
    """Return how many of ``total`` items are done for good, 0 at the first try. No query.

    Raises CheckpointUnfit as :func:`each_chunk` does.
    """
    stored: Any = job.operation.checkpoint
    if stored is None:
        return 0
    done = stored.get("done") if isinstance(stored, dict) else None
    if not isinstance(done, int) or stored.get("total") != total or not 0 <= done <= total:
        raise CheckpointUnfit(
            f"There are {total} items now, and not what there was when the work began ({stored}). Which of "
            "them are done is not known: look at the target, then ask for it afresh instead of again.",
        )
    return done


def _words(done: int, total: int, size: int) -> str:
    return f"chunk {-(-done // size)} of {-(-total // size)}"
