"""The workstations that operators declare, and what is known of their reachability."""

from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models


class Workstation(models.Model):
    """A Windows machine with a WinRM listener."""

    class Reachability(models.TextChoices):
        """What the last connection test said."""

        UNKNOWN = "unknown"
        ONLINE = "online"
        OFFLINE = "offline"
        ERROR = "error"

    name = models.CharField(max_length=60, unique=True)
    host = models.CharField(max_length=253, help_text="Host name or address.")
    port = models.PositiveIntegerField(
        default=5985,
        validators=[MinValueValidator(1), MaxValueValidator(65535)],
        help_text="5985, or 5986 with TLS.",
    )
    status = models.CharField(
        max_length=8, choices=Reachability.choices, default=Reachability.UNKNOWN, editable=False
    )
    status_since = models.DateTimeField(null=True, editable=False)
    last_error = models.CharField(max_length=300, blank=True, editable=False)

    class Meta:
        ordering = ("name",)
        constraints = (models.UniqueConstraint(fields=("host", "port"), name="one_workstation_per_listener"),)
        permissions = (("test_workstation", "Can test the connection to a workstation"),)

    def __str__(self) -> str:
        return self.name

    def public(self) -> dict[str, Any]:
        """Return the shape that API and stream show."""
        return {
            "id": self.pk,
            "name": self.name,
            "host": self.host,
            "port": self.port,
            "status": self.status,
            "status_since": self.status_since.isoformat() if self.status_since else None,
            "last_error": self.last_error,
        }
