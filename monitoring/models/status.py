"""What a service is doing, as its supervisor reports it."""

from typing import Any

from django.db import models

from medimgr.lib.units import iso
from monitoring.models.choices import choices
from monitoring.states import Health, Intent, Reason, State


class ServiceStatus(models.Model):
    """What a service is doing, as its supervisor last reported it. Written by the supervisor alone."""

    service = models.OneToOneField(
        "Service", on_delete=models.CASCADE, primary_key=True, related_name="status"
    )
    intent = models.CharField(max_length=4, choices=choices(Intent), default=Intent.UP)
    state = models.CharField(max_length=8, choices=choices(State), default=State.STOPPED)
    health = models.CharField(max_length=9, choices=choices(Health), default=Health.UNKNOWN)
    reason = models.CharField(max_length=20, choices=choices(Reason), default=Reason.NONE, blank=True)
    detail = models.CharField(max_length=500, blank=True, help_text="The reason in words.")
    since = models.DateTimeField(help_text="In this state since then.")
    pid = models.PositiveIntegerField(null=True, blank=True)
    process_started_at = models.DateTimeField(null=True, blank=True)
    restarts = models.PositiveIntegerField(
        default=0, help_text="Restarts by the supervisor since an operator last started it."
    )
    auto_recovery = models.BooleanField(default=True)
    needs_restart = models.BooleanField(
        default=False, help_text="Its settings have changed since the process started."
    )
    flapping = models.BooleanField(
        default=False, help_text="It keeps failing without a stable run in between."
    )
    next_run_at = models.DateTimeField(null=True, blank=True, help_text="When its schedule starts it next.")

    class Meta:
        verbose_name_plural = "service statuses"
        constraints = (
            models.CheckConstraint(
                condition=models.Q(state__in=[s.value for s in State]), name="known_state"
            ),
            models.CheckConstraint(
                condition=models.Q(intent__in=[i.value for i in Intent]), name="known_intent"
            ),
        )

    def __str__(self) -> str:
        return f"{self.service_id}: {self.state}"

    def public(self) -> dict[str, Any]:
        """Return the shape that API and stream show. No query."""
        return {
            "state": self.state,
            "health": self.health,
            "intent": self.intent,
            "reason": self.reason,
            "detail": self.detail,
            "pid": self.pid,
            "since": iso(self.since),
            "process_started_at": iso(self.process_started_at),
            "restarts": self.restarts,
            "auto_recovery": self.auto_recovery,
            "needs_restart": self.needs_restart,
            "flapping": self.flapping,
            "next_run_at": iso(self.next_run_at),
        }
