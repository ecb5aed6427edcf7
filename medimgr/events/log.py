"""Writes the event log. The only place that inserts events.

Ids must grow in the order of commits, or a reader that asks for "everything after 17" would miss
number 16 of a transaction that commits later. SQLite has one writer, so ids are ordered anyway. On
PostgreSQL a sequence is not: the insert takes a transaction-level advisory lock, which makes the
publishing tail of transactions one after the other. Publish last in a transaction, to hold it short.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from medimgr.events.audience import Audience
from medimgr.events.models import Event, Tick
from medimgr.lib.scope import Labels
from medimgr.lib.wake import CHANNEL

# Any fixed number serves, as long as nothing else in the database takes the same one: "medi".
_ADVISORY_LOCK = 0x6D656469
_INSERT = "INSERT INTO events_event (topic, key, data, at, labels) VALUES "


@dataclass(frozen=True, slots=True)
class Fact:
    """An event that is about to be written: topic, what it is about, the fields that changed.

    Who is limited to some labels hears of it where one of them is among ``labels``. ``left`` are those that
    what it is about had until now: who has one of them, and none of ``labels``, is told that it is gone.
    """

    topic: str
    key: str
    data: dict[str, Any]
    labels: Labels = frozenset()
    left: Labels = frozenset()


def publish(
    topic: str, key: str, data: dict[str, Any], labels: Labels = frozenset(), left: Labels = frozenset()
) -> None:
    """Append one event in the current transaction (one insert). See :class:`Fact`, :func:`publish_all`."""
    publish_all([Fact(topic, key, data, labels, left)])


def publish_all(facts: Iterable[Fact]) -> None:
    """Append events in order, in the current transaction: they exist exactly if it commits.

    One insert for all; on PostgreSQL two more statements (lock, notify), sent together. Raises
    TransactionManagementError outside a transaction, since an event on its own reports nothing.
    """
    now = timezone.now()
    rows = [
        Event(topic=f.topic, key=f.key, data=f.data, at=now, labels=Audience(f.labels, f.left).column())
        for f in facts
    ]
    if not rows:
        return
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError(
            "publish() must run inside the transaction of the change that it reports."
        )
    if connection.vendor == "postgresql":
        _insert_behind_the_lock(rows)
    else:
        Event.objects.bulk_create(rows)


def _insert_behind_the_lock(rows: list[Event]) -> None:
    # In one go to the server: the lock, which everybody who publishes waits for, is held from the first
    # statement to the commit, and each way there and back would make that longer.
    values = [
        value for row in rows for value in (row.topic, row.key, json.dumps(row.data), row.at, row.labels)
    ]
    marks = ", ".join(["(%s, %s, %s, %s, %s)"] * len(rows))
    with (
        connection.cursor() as cursor,
        connection.wrap_database_errors,
        connection.connection.pipeline(),
    ):
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_ADVISORY_LOCK])
        cursor.execute(_INSERT + marks, values)
        cursor.execute("SELECT pg_notify(%s, '')", [CHANNEL])


def write_tick(node: str, data: dict[str, list[float]]) -> None:
    """Overwrite the measurements of ``node`` (one update; at first an insert) and wake the readers."""
    now = timezone.now()
    # Not update_or_create(), which reads first what it is about to overwrite.
    with transaction.atomic():
        if not Tick.objects.filter(node=node).update(at=now, data=data):
            Tick.objects.update_or_create(node=node, defaults={"at": now, "data": data})
        notify()


def notify() -> None:
    """Wake whoever waits for commits (PostgreSQL only; SQLite's readers see the commit itself)."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, '')", [CHANNEL])


def last_event_id() -> int:
    """Return the id of the newest committed event, 0 for an empty log. One query."""
    newest = Event.objects.order_by("-id").values_list("id", flat=True).first()
    return newest or 0
