"""The chores of workstations."""

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from operations import chores
from operations.chores import Chore
from workstations.models import Change
from workstations.polling import inventories, reachability
from workstations.polling.inventories import read_emulators
from workstations.polling.reachability import look_who_answers

BATCH_SIZE = 1000


def prune_changes(batch: int = BATCH_SIZE) -> str:
    """Delete the history of workstations older than MEDIMGR_HISTORY_KEEP_DAYS, in short transactions."""
    older_than = timezone.now() - timedelta(days=settings.MEDIMGR_HISTORY_KEEP_DAYS)
    rows = Change.objects.filter(at__lt=older_than).order_by("at")
    deleted = 0
    while ids := list(rows.values_list("pk", flat=True)[:batch]):
        with transaction.atomic():
            deleted += Change.objects.filter(pk__in=ids).delete()[0]
    return f"deleted {deleted} change(s)" if deleted else ""


def register_chores() -> None:
    """Declare the chores. Called once, when the app is ready."""
    chores.register(Chore("workstations.history", 3600.0, prune_changes))
    chores.register(
        Chore(reachability.CHORE, settings.MEDIMGR_REACHABILITY_SECONDS, look_who_answers, steady=True)
    )
    chores.register(Chore(inventories.CHORE, settings.MEDIMGR_INVENTORY_SECONDS, read_emulators, steady=True))
