"""What holds of operations whatever was killed: each promise a function from what was seen to complaints."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from operations.models import Batch, Operation
from operations.registry import Kind
from operations.states import FINISHED, Status
from tests.operations.worker_nursery import CHUNK, ITEMS


@dataclass
class Seen:
    """All that is known after the chaos."""

    rows: dict[int, Operation]
    told: list[dict[str, Any]]
    """The events of operations, oldest first."""
    lines: list[list[str]]
    """What handlers did, in the order in which they did it."""
    batches: list[Batch]
    kinds: dict[str, Kind]
    asked_again: set[int] = field(default_factory=set)
    """What a person asked for a second time."""

    def count(self, word: str) -> Counter[int]:
        """Return how often each operation said ``word``."""
        return Counter(int(line[1]) for line in self.lines if line[0] == word)


def complaints(seen: Seen) -> list[str]:
    """Return every broken promise, in words."""
    return [
        complaint
        for promise in (
            each_ended,
            each_ended_once,
            nothing_was_done_twice,
            the_end_is_true,
            only_repeatable_kinds_were_repeated,
            chunks_were_done_once,
            batches_add_up,
        )
        for complaint in promise(seen)
    ]


def each_ended(seen: Seen) -> Iterator[str]:
    """Yield what has not ended, or was begun twice."""
    for row in seen.rows.values():
        if row.status not in FINISHED:
            yield f"operation {row.pk} is still {row.status}"
        if row.lease_token > 1:
            yield f"operation {row.pk} was claimed {row.lease_token} times"


def each_ended_once(seen: Seen) -> Iterator[str]:
    """Yield operations whose events tell of another number of ends than one, or of life after it."""
    statuses: dict[int, list[str]] = defaultdict(list)
    for data in seen.told:
        statuses[data["id"]].append(data["status"])
    for pk, row in seen.rows.items():
        ends = [status for status in statuses[pk] if status in FINISHED]
        if len(ends) != 1 or statuses[pk][-1] != row.status:
            yield f"operation {pk} ended other than once: its events say {statuses[pk]}"


def nothing_was_done_twice(seen: Seen) -> Iterator[str]:
    """Yield operations whose handler ran, or took effect, more than once."""
    for word in ("begin", "effect"):
        for pk, times in seen.count(word).items():
            if times > 1:
                yield f"operation {pk} did its {word} {times} times"


def the_end_is_true(seen: Seen) -> Iterator[str]:
    """Yield successes without their effect, and effects of what was called off before it began."""
    began, took_effect = seen.count("begin"), seen.count("effect")
    for row in seen.rows.values():
        if row.status == Status.SUCCESS and not took_effect[row.pk]:
            yield f"operation {row.pk} says SUCCESS and did nothing"
        if row.status == Status.CANCELLED and took_effect[row.pk]:
            yield f"operation {row.pk} says CANCELLED and was done"
        if row.started_at is None and began[row.pk]:
            yield f"operation {row.pk} was carried out though nobody claimed it"


def only_repeatable_kinds_were_repeated(seen: Seen) -> Iterator[str]:
    """Yield repetitions that nobody asked for of what may not be repeated, or too many of what may."""
    for row in seen.rows.values():
        by_itself = row.retry_of_id is not None and row.pk not in seen.asked_again
        if by_itself and not seen.kinds[row.kind].repeatable:
            yield f"operation {row.pk} repeats {row.retry_of_id} by itself, though {row.kind} may not be"
        if row.attempt > 1 + max(seen.kinds[row.kind].repeatable, bool(seen.asked_again)):
            yield f"operation {row.pk} is attempt {row.attempt} of {row.kind}"
    repeated = {row.retry_of_id for row in seen.rows.values()}
    for row in seen.rows.values():
        # Nobody repeats what somebody wanted to end.
        left = seen.kinds[row.kind].repeatable >= row.attempt and row.cancel_requested_at is None
        if row.error_code == "lease-lost" and left and row.pk not in repeated:
            yield f"operation {row.pk} ({row.kind}) was lost and not repeated"


def chunks_were_done_once(seen: Seen) -> Iterator[str]:
    """Yield resumable work that left items out, or did more again than what was in work at a kill."""
    items: dict[int, list[int]] = defaultdict(list)
    for line in seen.lines:
        if line[0] == "item":
            items[int(line[1])].append(int(line[2]))
    last = (row for row in seen.rows.values() if row.kind == "service.chunks" and row.status == "SUCCESS")
    for row in last:
        done: list[list[int]] = []
        for one in _along(row, seen.rows):
            done.insert(0, items[one.pk])
        if set().union(*done) != set(range(ITEMS)):
            yield f"operation {row.pk} says SUCCESS; with those before it, it left items out"
        for before, after in pairwise(done):
            again = set(before) & set(after)
            if len({number // CHUNK for number in again}) > 1:
                yield f"the operation before {row.pk} was repeated from further back than its checkpoint"


def _along(row: Operation, rows: dict[int, Operation]) -> Iterable[Operation]:
    one: Operation | None = row
    while one is not None:
        yield one
        one = rows.get(one.retry_of_id or 0)


def batches_add_up(seen: Seen) -> Iterator[str]:
    """Yield batches that count other ends than their operations have."""
    # What asked for itself again has left its end to the one that repeats it.
    left = {row.retry_of_id for row in seen.rows.values() if row.batch and row.pk not in seen.asked_again}
    for batch in seen.batches:
        members = [row for row in seen.rows.values() if row.batch == batch.pk and row.pk not in left]
        ends = Counter(row.status for row in members)
        expected = (
            ends[Status.SUCCESS],
            ends[Status.FAILED] + ends[Status.TIMEOUT],
            ends[Status.CANCELLED],
        )
        counted = (batch.succeeded, batch.failed, batch.cancelled)
        if counted != expected:
            yield f"batch {batch.pk} counts {counted} where its operations ended as {expected}"
        if (batch.finished_at is not None) != (batch.done >= batch.total):
            yield f"batch {batch.pk} is at {batch.done}/{batch.total} and ended at {batch.finished_at}"
