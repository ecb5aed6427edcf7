"""Stores the emulators that a reading of a workstation showed.

Only differences are written, in one short transaction with the events that tell them. Readings may come
in any order and from several processes: each carries the time at which it began, and one that began
before the last that was stored is dropped, so that a slow poll never undoes what an operation has
read back. A reading that shows nothing new writes nothing, but the times once in five minutes.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from medimgr.events.log import Fact, publish_all
from workstations.comparison import READ_FIELDS, Alteration, Differences, Found, compare
from workstations.ldplayer.configs import Config
from workstations.ldplayer.list2 import Instance
from workstations.models import Change, Emulator, Workstation
from workstations.reachability import columns, lock, mark_unknown, record_failure, take_status
from workstations.states import Reachability

__all__ = ["mark_unknown", "record", "record_failure"]

SEEN_EVERY = timedelta(minutes=5)
"""How old the times at which things were last seen may get while nothing changes."""


def record(
    workstation: Workstation,
    instances: Sequence[Instance],
    configs: Mapping[int, Config] | None = None,
    operation_id: int | None = None,
    *,
    began_at: datetime,
) -> list[Emulator]:
    """Store and publish what is new in a list of emulators; return all as they are stored then.

    ``began_at`` is when the list was asked for: of two readings the one that began later counts.
    ``configs`` tells processors and memory; None: they were not asked for and stay as they are. The
    workstation is online by that. Two queries where nothing is new; else as many whatever the number of
    emulators, save that SQLite writes some tens of rows a query. Of a workstation that was deleted
    meanwhile nothing is stored.
    """
    known = Workstation.objects.filter(pk=workstation.pk).first()
    if known is None:
        return []
    rows = _rows(known)
    if _outdated(known, began_at) or not (_due(known, operation_id) or compare(rows, instances, configs)):
        return rows
    with transaction.atomic():
        locked = lock(workstation.pk)
        if locked is None:
            return []
        rows = _rows(locked)  # what was compared above may have been written by another meanwhile
        if _outdated(locked, began_at):
            return rows
        return _store(locked, compare(rows, instances, configs), rows, began_at, operation_id)


def _store(
    workstation: Workstation,
    differences: Differences,
    rows: list[Emulator],
    began_at: datetime,
    operation_id: int | None,
) -> list[Emulator]:
    new = [_row(workstation, found, began_at) for found in differences.new]
    changed = [_updated(row, found, began_at) for row, found in differences.changed]
    if differences.gone:  # before what is new: it may have their indexes
        Emulator.objects.filter(pk__in=[row.pk for row in differences.gone]).delete()
    Emulator.objects.bulk_create(new)
    if changed:
        # An upsert of rows that all exist: four to nine times as quick as bulk_update().
        written = (*READ_FIELDS, "state_since", "seen_at")
        Emulator.objects.bulk_create(
            changed, update_conflicts=True, unique_fields=["id"], update_fields=written
        )
    facts, changes = take_status(workstation, Reachability.ONLINE, "", "", operation_id)
    changes += [_change(workstation, alteration, operation_id) for alteration in differences.alterations]
    if not differences:
        Emulator.objects.filter(workstation=workstation).update(seen_at=began_at)
    workstation.read_at, workstation.seen_at = began_at, timezone.now()
    own = columns(workstation, "status", "status_since", "last_error", "error_code", "seen_at", "read_at")
    Workstation.objects.filter(pk=workstation.pk).update(**own)
    Change.objects.bulk_create(changes)
    deleted = {"deleted": True, "workstation": workstation.pk}
    labels = workstation.scope_labels()
    gone = {row.pk for row in differences.gone}
    publish_all(
        [
            *facts,
            *(Fact("emulator", str(pk), deleted, labels) for pk in sorted(gone)),
            *(Fact("emulator", str(row.pk), row.public(), labels) for row in (*new, *changed)),
        ]
    )
    return sorted([*new, *(row for row in rows if row.pk not in gone)], key=lambda row: row.index)


def _rows(workstation: Workstation) -> list[Emulator]:
    return list(Emulator.objects.filter(workstation=workstation).order_by("index"))


def _outdated(workstation: Workstation, began_at: datetime) -> bool:
    # A time in the future was written before the clock was set back: it says nothing.
    read_at = workstation.read_at
    return read_at is not None and began_at < read_at <= timezone.now()


def _due(workstation: Workstation, operation_id: int | None) -> bool:
    """Return whether there is something to write although all emulators are as before."""
    return (
        operation_id is not None  # no reading that began earlier may come after it
        or workstation.read_at is None
        or abs(timezone.now() - workstation.read_at) >= SEEN_EVERY
        or bool(workstation.last_error or workstation.error_code)
        or workstation.status != Reachability.ONLINE
    )


def _row(workstation: Workstation, found: Found, began_at: datetime) -> Emulator:
    row = Emulator(workstation=workstation, index=found.index, state_since=began_at)
    return _updated(row, found, began_at)


def _updated(row: Emulator, found: Found, began_at: datetime) -> Emulator:
    if row.state != found.state:
        row.state_since = began_at
    for name in READ_FIELDS:
        setattr(row, name, getattr(found, name))
    row.seen_at = began_at
    return row


def _change(workstation: Workstation, alteration: Alteration, operation_id: int | None) -> Change:
    return Change(
        workstation=workstation,
        at=timezone.now(),
        index=alteration.index,
        title=alteration.title,
        what=alteration.what,
        before=alteration.before,
        after=alteration.after,
        operation_id=operation_id,
    )
