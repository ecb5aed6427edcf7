"""Who did what."""

from typing import Any, NoReturn

from django.conf import settings
from django.db import models


class Immutable(TypeError):
    """Something in the code wants to change or delete an entry of the audit."""


class AuditEntryQuerySet(models.QuerySet["AuditEntry"]):
    """Entries, which nobody may change; :mod:`medimgr.audit.retention` alone deletes them."""

    def update(self, **_values: Any) -> NoReturn:
        """Raise Immutable."""
        raise Immutable("An entry of the audit is never changed.")

    def delete(self) -> NoReturn:
        """Raise Immutable."""
        raise Immutable("An entry of the audit goes by its age alone; see medimgr.audit.retention.")


class AuditEntry(models.Model):
    """One thing that somebody did, tried or was refused. Never changed; deleted by age alone."""

    at = models.DateTimeField()
    who = models.CharField(max_length=150, help_text="Kept when the account goes.")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    source = models.CharField(max_length=16, help_text="page, admin, api, command or system.")
    address = models.CharField(max_length=64, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    token = models.CharField(max_length=100, blank=True, help_text="The machine token that it came with.")
    action = models.CharField(max_length=64, help_text="As in service.restart, login, token.issue.")
    target = models.CharField(max_length=240, blank=True, help_text="As in service:backend.")
    target_name = models.CharField(max_length=200, blank=True)
    outcome = models.CharField(max_length=16, help_text="done, asked, refused or failed.")
    detail = models.CharField(max_length=500, blank=True)
    operation_id = models.BigIntegerField(null=True, blank=True)

    objects = AuditEntryQuerySet.as_manager()

    class Meta:
        verbose_name = "audit entry"
        verbose_name_plural = "audit entries"
        ordering = ("-id",)
        permissions = (("export_auditentry", "Can export the audit"),)
        indexes = (
            models.Index(fields=("at",), name="audit_at"),
            models.Index(fields=("who", "-id"), name="audit_who"),
            models.Index(fields=("action", "-id"), name="audit_action"),
            models.Index(fields=("target", "-id"), name="audit_target"),
        )

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.who}: {self.action} {self.target} ({self.outcome})"

    def save(self, **options: Any) -> None:
        """Insert it. Raises Immutable where it is in the table already."""
        if not self._state.adding:
            raise Immutable("An entry of the audit is never changed.")
        super().save(**options)

    def delete(self, *_arguments: Any, **_options: Any) -> NoReturn:
        """Raise Immutable."""
        raise Immutable("An entry of the audit goes by its age alone; see medimgr.audit.retention.")
