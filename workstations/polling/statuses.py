"""Writes what looks at the workstations have shown."""

from collections.abc import Iterable

from django.db import transaction
from django.utils import timezone

from medimgr.events.log import publish_all
from workstations.inventory import SEEN_EVERY
from workstations.models import Change, Workstation
from workstations.polling.probing import Finding
from workstations.polling.verdicts import is_refuted_by_an_answer
from workstations.reachability import columns, lock, record_failure, take_status
from workstations.states import Reachability

ANSWERING, NOT_TO_BE_REACHED = "answering", "not to be reached"
_COLUMNS = ("status", "status_since", "last_error", "error_code", "seen_at", "failures", "next_probe_at")


def store(findings: Iterable[Finding]) -> list[str]:
    """Write and publish what ``findings`` change, and return in a word what each that was news has shown.

    Whoever has another address by now, or is not looked after any more, is left alone. No query for no
    findings.
    """
    by_pk = {one.target.pk: one for one in findings}
    if not by_pk:
        return []
    changed = []
    for workstation in Workstation.objects.filter(pk__in=by_pk, polled=True).order_by("pk"):
        finding = by_pk[workstation.pk]
        if (workstation.host, workstation.port) != (finding.target.host, finding.target.port):
            continue
        if finding.failure is not None:
            if record_failure(workstation, finding.failure, began_at=finding.began):
                changed.append(NOT_TO_BE_REACHED)
        elif record_answer(workstation):
            changed.append(ANSWERING)
    return changed


def record_answer(workstation: Workstation) -> bool:
    """Store and publish that somebody answers at the workstation's port; return whether that was news.

    It may be asked at once then: its circuit breaker is closed.
    """
    with transaction.atomic():
        row = lock(workstation.pk)
        if row is None or not is_refuted_by_an_answer(row):
            return False
        row.seen_at, row.failures, row.next_probe_at = timezone.now(), 0, None
        facts, changes = take_status(row, Reachability.ONLINE, "", "", None)
        Workstation.objects.filter(pk=row.pk).update(**columns(row, *_COLUMNS))
        Change.objects.bulk_create(changes)
        publish_all(facts)
    return True


def note_seen(workstations: Iterable[Workstation]) -> int:
    """Note now as ``seen_at`` of those of whom it is old, and return how many; no events.

    One write for all, no query where there are none.
    """
    now = timezone.now()
    pks = [one.pk for one in workstations if one.seen_at is None or abs(now - one.seen_at) >= SEEN_EVERY]
    return Workstation.objects.filter(pk__in=pks).update(seen_at=now) if pks else 0
