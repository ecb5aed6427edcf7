"""The one way in which operations change: conditional, with their events, in one transaction.

A condition names the status and, for whoever holds the operation, the lease token. A row that does not meet
it any more is left alone. A finished row meets no condition that is used here, so it never changes.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from medimgr.events.log import Fact, publish_all
from medimgr.lib.plain_text import harmless
from operations import batches, repetition
from operations.log_storing import store_along
from operations.models import Operation
from operations.states import FINISHED, Status


@dataclass(frozen=True, slots=True)
class Change:
    """What one row is to become, as long as it meets the condition.

    Where several are made at once, the values of both are hashable.
    """

    pk: int
    condition: Mapping[str, Any]
    values: Mapping[str, Any]


def fact(operation: Operation) -> Fact:
    """Return the event that says how ``operation`` is now. No query."""
    return Fact("operation", str(operation.pk), operation.public(), operation.scope_labels())


def ending(status: Status, code: str, detail: str, now: datetime | None = None) -> dict[str, Any]:
    """Return what a row gets at its end. No query."""
    return {
        "status": status.value,
        "finished_at": now or timezone.now(),
        "lease_until": None,
        "error_code": code[:64],
        "error_detail": harmless(detail),
    }


def change(changes: Sequence[Change]) -> list[Operation | None]:
    """Make changes in one transaction, with their events; return each row as it is then, None: not met.

    An end is counted in its batch, and what was lost is asked for again where its kind allows that. For each
    different condition and different set of values one SELECT and one conditional UPDATE. Call it outside
    of a transaction: on PostgreSQL the event takes a lock that is held until the commit.
    """
    rows: dict[int, Operation] = {}
    with transaction.atomic():
        for condition, group in _grouped(changes, lambda one: one.condition):
            rows |= _change_those_that_meet(condition, group)
        if rows:
            ended = [row for row in rows.values() if Status(row.status) in FINISHED]
            store_along(rows.values())
            again = repetition.repeat_lost(ended)
            # In the order in which all take their locks: operations, batches, tallies, the log of events.
            facts = batches.count_ends(
                [row for row in ended if row.pk not in again], [row for row in ended if row.pk in again]
            )
            publish_all([*map(fact, rows.values()), *map(fact, again.values()), *facts])
    return [rows.get(one.pk) for one in changes]


def _change_those_that_meet(condition: Mapping[str, Any], group: list[Change]) -> dict[int, Operation]:
    meeting = Operation.objects.filter(pk__in=[one.pk for one in group], **condition)
    reading = meeting.order_by("pk")  # all lock rows in this order, so that no two wait for each other
    if connection.features.has_select_for_update:
        reading = reading.select_for_update()
    rows = {row.pk: row for row in reading}
    for values, same in _grouped([one for one in group if one.pk in rows], lambda one: one.values):
        # Locked (PostgreSQL), or nobody else can write (SQLite): they still meet it.
        Operation.objects.filter(pk__in=[one.pk for one in same], **condition).update(**values)
        for one in same:
            for name, value in values.items():
                setattr(rows[one.pk], name, value)
    return rows


def _grouped(
    changes: Sequence[Change], by: Callable[[Change], Mapping[str, Any]]
) -> list[tuple[Mapping[str, Any], list[Change]]]:
    if len(changes) == 1:  # its values need not be hashable
        return [(by(changes[0]), list(changes))]
    groups: dict[tuple[tuple[str, Any], ...], list[Change]] = defaultdict(list)
    for one in changes:
        groups[tuple(by(one).items())].append(one)
    return [(by(group[0]), group) for group in groups.values()]
