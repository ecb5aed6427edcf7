"""Stores whether a workstation can be reached, and what follows from that for its emulators.

Only what is new is written, in one short transaction with the events that tell it. The breaker's columns
(``failures``, ``next_probe_at``) are none of its business.
"""

from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from medimgr.events.log import Fact, publish_all
from workstations.connect_failures import status_after
from workstations.exceptions import NotAskedAgain, RemoteFailure
from workstations.models import Change, Emulator, Workstation
from workstations.states import EmulatorState, Reachability

STALE_AFTER = timedelta(minutes=10)
"""So long after the last reading nobody knows what the emulators are in, though their workstation answers."""

_LONGEST_ERROR = 300
_STATUS_COLUMNS = ("status", "status_since", "last_error", "error_code")


def record_failure(
    workstation: Workstation,
    failure: RemoteFailure,
    operation_id: int | None = None,
    *,
    began_at: datetime | None = None,
) -> bool:
    """Store and publish as the workstation's status that a look at it failed; return whether that was news.

    For failures to reach it or to read it, not for those of what was asked of it. Nothing is stored of
    a look that began (``began_at``) before the last that succeeded, nor of one that was not even tried
    (NotAskedAgain). The emulators of one that is offline become unknown, as do those of one that could
    not be read for ten minutes. Two queries where nothing is new.
    """
    if isinstance(failure, NotAskedAgain):
        return False
    status = status_after(failure)
    known = Workstation.objects.filter(pk=workstation.pk).first()
    if known is None or _refuted(known, failure, began_at):
        return False
    news = (known.status, known.last_error, known.error_code) != (status, _short(failure), failure.code)
    if not news and not (_emulators_lost(known, status) and _with_a_state(known).exists()):
        return False
    with transaction.atomic():
        locked = lock(workstation.pk)
        if locked is None or _refuted(locked, failure, began_at):
            return False
        facts, changes = take_status(locked, status, _short(failure), failure.code, operation_id)
        if _emulators_lost(locked, status):
            facts += _make_unknown(locked)
        Workstation.objects.filter(pk=locked.pk).update(**columns(locked, *_STATUS_COLUMNS))
        Change.objects.bulk_create(changes)
        publish_all(facts)
    return bool(facts)


def mark_unknown(workstation: Workstation) -> int:
    """Make all emulators of a workstation unknown, publish them, and return how many were not so before.

    It is no change that was seen, so their history says nothing of it. Their processes stay as last read:
    coming back as they were is none either. One query where all are unknown already.
    """
    if not _with_a_state(workstation).exists():
        return 0
    with transaction.atomic():
        locked = lock(workstation.pk)
        facts = _make_unknown(locked) if locked is not None else []
        publish_all(facts)
    return len(facts)


def lock(pk: int) -> Workstation | None:
    """Return the row of a workstation, which no other transaction writes before this one ends."""
    rows = Workstation.objects.filter(pk=pk)
    if connection.features.has_select_for_update:  # SQLite has one writer at a time anyway
        rows = rows.select_for_update()
    return rows.first()


def take_status(
    workstation: Workstation, status: Reachability, message: str, code: str, operation_id: int | None
) -> tuple[list[Fact], list[Change]]:
    """Give ``workstation`` a status unsaved; return what is to be told and kept of that. No query."""
    before = workstation.status
    if (before, workstation.last_error, workstation.error_code) == (status, message, code):
        return [], []
    now = timezone.now()
    workstation.last_error, workstation.error_code = message, code
    changes = []
    if before != status or workstation.status_since is None:
        workstation.status, workstation.status_since = status, now
        changes = [
            Change(
                workstation=workstation,
                at=now,
                what="status",
                before=before,
                after=status,
                operation_id=operation_id,
            )
        ]
    return [
        Fact("workstation", str(workstation.pk), workstation.public(), workstation.scope_labels())
    ], changes


def columns(workstation: Workstation, *names: str) -> dict[str, object]:
    """Return some columns to update: never all, so that a form saved meanwhile loses nothing."""
    return {name: getattr(workstation, name) for name in names}


def _make_unknown(workstation: Workstation) -> list[Fact]:
    rows = list(_with_a_state(workstation).order_by("index"))
    if rows:
        now = timezone.now()
        _with_a_state(workstation).update(state=EmulatorState.UNKNOWN, state_since=now)
        for row in rows:
            row.state, row.state_since = EmulatorState.UNKNOWN, now
    labels = workstation.scope_labels()
    return [Fact("emulator", str(row.pk), row.public(), labels) for row in rows]


def _with_a_state(workstation: Workstation) -> QuerySet[Emulator]:
    return Emulator.objects.filter(workstation=workstation).exclude(state=EmulatorState.UNKNOWN)


def _emulators_lost(workstation: Workstation, status: Reachability) -> bool:
    read_at = workstation.read_at
    return status == Reachability.OFFLINE or read_at is None or timezone.now() - read_at > STALE_AFTER


def _refuted(workstation: Workstation, failure: RemoteFailure, began_at: datetime | None) -> bool:
    """Return whether a look that began after this one that failed has succeeded.

    Somebody who answers at its port (``seen_at``) refutes that nobody does, but no wrong password.
    """
    seen = {workstation.read_at}
    if status_after(failure) == Reachability.OFFLINE:
        seen.add(workstation.seen_at)
    # A time in the future was written before the clock was set back: it says nothing.
    now = timezone.now()
    return began_at is not None and any(at is not None and began_at < at <= now for at in seen)


def _short(failure: RemoteFailure) -> str:
    return failure.detail[:_LONGEST_ERROR]
