"""Faults to be planted into operations, for tests of the tests. Each is what some peer really does wrong.

A fault gets something like ``setattr``: a test's ``monkeypatch``, which takes it out again, or the real one.
"""

import dataclasses
from collections.abc import Callable
from datetime import datetime
from typing import Any

Plant = Callable[[Any, str, Any], None]


def end_without_the_token(plant: Plant) -> None:
    """Write to an operation by its id alone, whoever holds it by now and whatever became of it."""
    from operations.models import OperationQuerySet

    ask = OperationQuerySet.filter

    def by_id_alone(self: Any, *args: Any, **wanted: Any) -> Any:
        if "lease_token" in wanted:
            wanted = {name: wanted[name] for name in wanted if name not in {"lease_token", "status"}}
        return ask(self, *args, **wanted)

    plant(OperationQuerySet, "filter", by_id_alone)


def begin_again_what_was_lost(plant: Plant) -> None:
    """Put back in line what a dead worker held, instead of ending it."""
    from operations import lifecycle
    from operations.models import Operation
    from operations.states import Status

    def put_back(now: datetime, queue: str = "") -> int:
        lost = Operation.objects.filter(status=Status.RUNNING, lease_until__lt=now)
        return lost.update(status=Status.PENDING, lease_until=None)

    plant(lifecycle, "reap", put_back)


def repeat_everything(plant: Plant) -> None:
    """Take every kind for one that may be done twice."""
    from operations import registry

    known = registry.get
    plant(registry, "get", lambda name: dataclasses.replace(known(name), repeatable=3))


def claim_without_a_limit(plant: Plant) -> None:
    """Take up whatever waits, however many of its kind or lane run already."""
    from operations import registry

    known = registry.get
    plant(
        registry,
        "get",
        lambda name: dataclasses.replace(known(name), at_once=0, lane=lambda _: ("", 0)),
    )


def cancel_over_the_end(plant: Plant) -> None:
    """Write CANCELLED over whatever became of it meanwhile."""
    from django.utils import timezone

    from operations import lifecycle
    from operations.models import Operation
    from operations.states import Status

    ask = lifecycle.request_cancel

    def overwrite(operation: Any, requester: Any) -> Any:
        row = ask(operation, requester)
        Operation.objects.filter(pk=operation.pk).update(
            status=Status.CANCELLED, finished_at=timezone.now(), lease_until=None
        )
        return row

    plant(lifecycle, "request_cancel", overwrite)


def purge_what_is_under_way(plant: Plant) -> None:
    """Delete what waits and runs along with what has ended."""
    from operations import purge
    from operations.models import Operation

    delete = purge._delete

    def delete_all(ids: list[int]) -> int:
        return delete(ids) + int(Operation.objects.active().order_by()._raw_delete("default") or 0)

    plant(purge, "_delete", delete_all)


def lose_count(plant: Plant) -> None:
    """Count no end in its batch."""
    from operations import batches

    plant(batches, "count_ends", lambda rows, repeated=(): [])


FAULTS: dict[str, Callable[[Plant], None]] = {
    fault.__name__: fault
    for fault in (
        end_without_the_token,
        begin_again_what_was_lost,
        repeat_everything,
        claim_without_a_limit,
        cancel_over_the_end,
        purge_what_is_under_way,
        lose_count,
    )
}
