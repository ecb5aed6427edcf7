"""Deletes what is old of the audit: the one way in which an entry goes."""

from datetime import datetime

from medimgr.audit.models import AuditEntry

_AT_A_TIME = 1_000


def prune(older_than: datetime) -> int:
    """Delete the entries from before ``older_than``, 1,000 in each statement; return how many."""
    count = 0
    entries = AuditEntry._base_manager.all()  # whose rows may be deleted, other than those of ``objects``
    oldest = entries.filter(at__lt=older_than).order_by("at").values_list("pk", flat=True)
    while old := list(oldest[:_AT_A_TIME]):
        count += entries.filter(pk__in=old).delete()[0]
    return count
