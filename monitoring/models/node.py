"""The machine that a supervisor runs on."""

from datetime import datetime
from typing import Any

from django.core.validators import MaxValueValidator
from django.db import models, transaction
from django.utils import timezone

from medimgr.events.log import publish
from medimgr.lib.units import iso


class Node(models.Model):
    """A machine with a supervisor. The epoch fences a supervisor that has lost its lease."""

    name = models.CharField(max_length=100, unique=True)
    epoch = models.PositiveIntegerField(
        default=0, help_text="Grows by one whenever a supervisor takes the node over."
    )
    supervisor_pid = models.PositiveIntegerField(null=True, blank=True)
    boot_id = models.CharField(max_length=64, blank=True)
    version = models.CharField(max_length=32, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    handed_over_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When its supervisor ended and left the services to the next one, which is yet to come.",
    )
    problem = models.CharField(
        max_length=300,
        blank=True,
        help_text="What is wrong with the node itself, such as a full disk.",
    )

    start_concurrency = models.PositiveIntegerField(
        default=0,
        validators=[MaxValueValidator(1000)],
        help_text="So many services may be starting at the same time; 0: as the machine's cores suggest.",
    )
    log_budget_mb = models.PositiveIntegerField(
        "log budget (MB)",
        default=0,
        help_text="Above this, the oldest log archives of the node are deleted; 0 for no budget.",
    )

    DECLARED = ("start_concurrency", "log_budget_mb")
    """What people set; all else is the supervisor's."""
    HEARTBEAT_SECONDS = 2.0
    STALE_SECONDS = 10.0
    HANDOVER_SECONDS = 60.0
    """So long after a planned hand-over the next supervisor may take to come before anybody is alarmed."""

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save; where what people set has changed, publish it, so that the supervisor takes it at once.

        Two queries more than for the row itself.
        """
        with transaction.atomic():
            was = type(self).objects.filter(pk=self.pk).values_list(*self.DECLARED).first()
            super().save(*args, **kwargs)
            if was is not None and was != type(self).objects.values_list(*self.DECLARED).get(pk=self.pk):
                publish("node", self.name, {"declared": True, **self.public(timezone.now())})

    def is_supervised(self, now: datetime) -> bool:
        """Return whether a supervisor has reported within the last ten seconds.

        Or has announced its successor within the last minute: until then what it reported last still holds.
        """
        if self.handed_over_at is not None:
            return (now - self.handed_over_at).total_seconds() < self.HANDOVER_SECONDS
        if self.supervisor_pid is None or self.heartbeat_at is None:
            return False
        return (now - self.heartbeat_at).total_seconds() < self.STALE_SECONDS

    def public(self, now: datetime) -> dict[str, Any]:
        """Return the shape that API and stream show."""
        return {
            "name": self.name,
            "supervised": self.is_supervised(now),
            "supervisor_pid": self.supervisor_pid,
            "started_at": iso(self.started_at),
            "heartbeat_at": iso(self.heartbeat_at),
            "handed_over_at": iso(self.handed_over_at),
            "version": self.version,
            "problem": self.problem,
            "start_concurrency": self.start_concurrency,
        }
