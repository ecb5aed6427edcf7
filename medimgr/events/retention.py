"""Keeps the event log short."""

from datetime import datetime

from django.db import transaction

from medimgr.events.log import last_event_id
from medimgr.events.models import Event

BATCH_SIZE = 1000


def prune(older_than: datetime, batch: int = BATCH_SIZE) -> int:
    """Delete events from before ``older_than``, ``batch`` at a time, and return how many.

    Each batch is a transaction of its own. The newest event always stays, so that a client's last id
    can still be compared with the log's.
    """
    newest = last_event_id()
    deleted = 0
    while True:
        old = Event.objects.filter(at__lt=older_than, id__lt=newest).order_by("at", "id")
        ids = list(old.values_list("id", flat=True)[:batch])
        if not ids:
            return deleted
        with transaction.atomic():
            deleted += Event.objects.filter(id__in=ids).delete()[0]
