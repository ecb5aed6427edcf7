"""Asks for many targets at once the way the tests of batches need it."""

from typing import Any

from pydantic import BaseModel

from monitoring.models import Service
from operations import lifecycle
from operations.batch_requests import Asked, Wanted, request_batch
from operations.models import Batch, Operation
from operations.registry import WORKER_QUEUE
from operations.requester import Requester
from tests.factories import make_node
from tests.operations.asking import ALICE, WORK, service


class Size(BaseModel, extra="forbid"):
    """A schema with one number."""

    size: int = 1


def services(*keys: str) -> list[Wanted]:
    """Return these services as targets, made where they are missing."""
    return [Wanted(key, service(key)) for key in keys]


def many(count: int) -> list[Wanted]:
    """Make so many services at once and return them as targets."""
    node = make_node()
    rows = [Service(key=f"s{n:04}", name=f"S{n}", node=node, command=["true"]) for n in range(count)]
    Service.objects.bulk_create(rows)
    return [Wanted(row.key, row) for row in rows]


def ask_all(wanted: list[Wanted], kind: str = WORK, who: Requester = ALICE, **more: Any) -> Asked:
    """Ask for one kind on all of them."""
    return request_batch(kind, wanted, requester=who, **more)


def claim(limit: int = 16) -> dict[str, Operation]:
    """Take up what waits; return it by the key of its target."""
    return {row.target_key: row for row in lifecycle.claim(WORKER_QUEUE, "me", limit=limit)}


def counts(batch: Batch) -> tuple[int, int, int, int, int]:
    """Return total, succeeded, failed, cancelled, refused, as the database has them now."""
    row = Batch.objects.get(pk=batch.pk)
    return row.total, row.succeeded, row.failed, row.cancelled, len(row.refused)


def assert_counts_are_those_of_the_rows(batch: Batch) -> None:
    """Fail where the counts of a batch differ from what its operations say."""
    row = Batch.objects.get(pk=batch.pk)
    statuses = list(Operation.objects.filter(batch=batch.pk).values_list("status", flat=True))
    assert row.succeeded == statuses.count("SUCCESS")
    assert row.failed == statuses.count("FAILED") + statuses.count("TIMEOUT")
    assert row.cancelled == statuses.count("CANCELLED")
    assert row.total == len(statuses) + len(row.refused)
    assert (row.finished_at is not None) == (row.done == row.total)
