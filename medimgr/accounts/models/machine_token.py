"""A long-lived token for a program."""

from django.conf import settings
from django.db import models


class MachineToken(models.Model):
    """A long-lived token for a program. What it is stands nowhere: its SHA-256 is stored.

    It acts as ``user``, limited to ``permissions``, and to groups and tags where it names any.
    """

    name = models.CharField(max_length=100, unique=True, help_text="What it is for.")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="machine_tokens"
    )
    prefix = models.CharField(max_length=16, unique=True, help_text="Its beginning, by which it is known.")
    digest = models.CharField(max_length=64)
    permissions = models.JSONField(default=list, help_text="Names such as monitoring.start_service.")
    service_groups = models.JSONField(default=list, blank=True)
    workstation_tags = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=150)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Empty: never.")
    last_used_at = models.DateTimeField(null=True, blank=True)
    last_used_address = models.CharField(max_length=64, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.CharField(max_length=150, blank=True)

    class Meta:
        ordering = ("name",)
        permissions = (("revoke_machinetoken", "Can revoke a machine's token"),)

    def __str__(self) -> str:
        return self.name
