"""What was: each life of a service's process, and each change of a service's state."""

import uuid
from typing import Any

from django.db import models

from medimgr.lib.scope import Labels
from medimgr.lib.scoped_rows import ScopedRows
from medimgr.lib.units import iso
from monitoring.models.choices import choices
from monitoring.models.service import Service, groups_with
from monitoring.states import ExitSource, Reason, State


class RunQuerySet(ScopedRows["Run"]):
    """Named selections of runs."""

    def with_labels(self, labels: Labels) -> "RunQuerySet":
        """Return those of services whose group is among ``labels``. One query."""
        return self.filter(service__group__in=groups_with(labels))


class TransitionQuerySet(ScopedRows["Transition"]):
    """Named selections of changes of state."""

    def with_labels(self, labels: Labels) -> "TransitionQuerySet":
        """Return those of services whose group is among ``labels``. One query."""
        return self.filter(service__group__in=groups_with(labels))


class Run(models.Model):
    """One life of one service's process, from the spawn to the exit."""

    run_id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    service = models.ForeignKey(Service, null=True, on_delete=models.SET_NULL, related_name="runs")
    service_key = models.CharField(max_length=63)
    node = models.CharField(max_length=100)
    pid = models.PositiveIntegerField(null=True)
    start_ticks = models.BigIntegerField(null=True)
    boot_id = models.CharField(max_length=64, blank=True)
    command = models.JSONField(default=list)
    reason = models.CharField(max_length=20, choices=choices(Reason), help_text="Why it was started.")
    started_at = models.DateTimeField()
    ready_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    exit_code = models.IntegerField(null=True)
    exit_signal = models.CharField(max_length=16, blank=True)
    exit_source = models.CharField(max_length=8, choices=choices(ExitSource), blank=True)
    end_reason = models.CharField(max_length=20, choices=choices(Reason), blank=True)
    log_offset = models.BigIntegerField(default=0, help_text="Where its lines begin in the log file.")

    objects = RunQuerySet.as_manager()

    class Meta:
        ordering = ("-started_at",)
        constraints = (
            models.UniqueConstraint(
                fields=("service",),
                condition=models.Q(ended_at__isnull=True),
                name="one_live_run_per_service",
            ),
        )
        indexes = (
            models.Index(fields=("service", "-started_at"), name="run_history"),
            models.Index(fields=("ended_at",), condition=models.Q(ended_at__isnull=False), name="run_ended"),
        )

    def __str__(self) -> str:
        return f"{self.service_key} pid {self.pid}"

    def scope_labels(self) -> Labels:
        """Return the labels of its service, none where that is gone. Queries it unless it was read along."""
        return self.service.scope_labels() if self.service is not None else frozenset()


class Transition(models.Model):
    """One change of a service's state: its history, in order."""

    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="transitions")
    at = models.DateTimeField()
    from_state = models.CharField(max_length=8, choices=choices(State))
    to_state = models.CharField(max_length=8, choices=choices(State))
    reason = models.CharField(max_length=20, choices=choices(Reason), blank=True)
    detail = models.CharField(max_length=500, blank=True)
    pid = models.PositiveIntegerField(null=True)
    run_id = models.UUIDField(null=True)
    operation_id = models.BigIntegerField(null=True)

    objects = TransitionQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        indexes = (
            models.Index(fields=("service", "-id"), name="transition_history"),
            models.Index(fields=("at",), name="transition_age"),
        )

    def __str__(self) -> str:
        return f"{self.service_id}: {self.from_state} → {self.to_state}"

    def scope_labels(self) -> Labels:
        """Return the labels of its service. Queries it unless it was read along."""
        return self.service.scope_labels()

    def public(self) -> dict[str, Any]:
        """Return the shape that API and page show. No query."""
        return {
            "id": self.pk,
            "at": iso(self.at),
            "from": self.from_state,
            "to": self.to_state,
            "reason": self.reason,
            "detail": self.detail,
            "pid": self.pid,
            "operation": self.operation_id,
        }
