"""Writes what looks at the workstations have shown, with its history and its events."""

from collections.abc import Iterable
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from medimgr.events.log import Fact, publish_all
from workstations.models import Change, Workstation
from workstations.polling.probing import Finding
from workstations.polling.verdicts import Verdict, verdict
from workstations.states import Reachability

SEEN_EVERY_SECONDS = 300.0
"""So old ``seen_at`` gets of a workstation that answers at each look: one write for all of them then."""


def store(findings: Iterable[Finding]) -> list[str]:
    """Write what ``findings`` change, and return the new status of each workstation that changed.

    One short transaction: the rows are read again and locked in it, so that what an operation, a form or
    another worker has written meanwhile stands. Who has another address by now, or is not looked after any
    more, is left alone. No query for no findings.
    """
    by_pk = {one.target.pk: one for one in findings}
    if not by_pk:
        return []
    with transaction.atomic():
        rows = Workstation.objects.select_for_update().filter(pk__in=by_pk, polled=True).order_by("pk")
        changed: list[Workstation] = []
        history: list[Change] = []
        for row in rows:
            finding = by_pk[row.pk]
            if (row.host, row.port) != (finding.target.host, finding.target.port):
                continue
            found = verdict(row, finding.failure, finding.began)
            if found is None:
                continue
            if found.status != row.status:
                history.append(_change(row, found))
            _write(row, found)
            changed.append(row)
        Change.objects.bulk_create(history)
        publish_all([Fact("workstation", str(row.pk), row.public()) for row in changed])
    return [row.status for row in changed]


def _change(row: Workstation, found: Verdict) -> Change:
    return Change(
        workstation=row, at=timezone.now(), what="status", before=row.status, after=str(found.status)
    )


def _write(row: Workstation, found: Verdict) -> None:
    now = timezone.now()
    fields = ["status", "last_error", "error_code"]
    if found.status != row.status:
        row.status_since = now
        fields.append("status_since")
        if found.status == Reachability.ONLINE:
            # Whoever answers again may be asked again at once: see the circuit breaker.
            row.seen_at, row.next_probe_at, row.failures = now, None, 0
            fields += ["seen_at", "next_probe_at", "failures"]
    row.status, row.last_error, row.error_code = str(found.status), found.last_error, found.error_code
    Workstation.objects.filter(pk=row.pk).update(**{field: getattr(row, field) for field in fields})


def note_seen(workstations: Iterable[Workstation]) -> int:
    """Note now as ``seen_at`` of those of whom it is old, and return how many; no events.

    One write for all, no query where there are none.
    """
    now = timezone.now()
    old = now - timedelta(seconds=SEEN_EVERY_SECONDS)
    pks = [one.pk for one in workstations if one.seen_at is None or one.seen_at < old]
    return Workstation.objects.filter(pk__in=pks).update(seen_at=now) if pks else 0
