"""The chores of monitoring: history is kept for a while, not for ever."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from monitoring.models import Run, Transition
from monitoring.tallies import forget_deleted_services
from operations import chores
from operations.chores import Chore

BATCH_SIZE = 1000


def prune_history(batch: int = BATCH_SIZE) -> str:
    """Delete transitions and ended runs older than MEDIMGR_HISTORY_KEEP_DAYS, in short transactions."""
    older_than = timezone.now() - timedelta(days=settings.MEDIMGR_HISTORY_KEEP_DAYS)
    transitions = _delete(Transition.objects.filter(at__lt=older_than).order_by("at"), batch)
    runs = _delete(Run.objects.filter(ended_at__lt=older_than).order_by("ended_at"), batch)
    if not transitions and not runs:
        return ""
    return f"deleted {transitions} transition(s) and {runs} run(s)"


def register_chores() -> None:
    """Declare the chores. Called once, when the app is ready."""
    chores.register(Chore("monitoring.history", 3600.0, prune_history))
    chores.register(Chore("monitoring.tallies", 3600.0, forget_deleted_services))


def _delete(rows: Any, batch: int) -> int:
    deleted = 0
    while ids := list(rows.values_list("pk", flat=True)[:batch]):
        with transaction.atomic():
            deleted += rows.model.objects.filter(pk__in=ids).delete()[0]
    return deleted
