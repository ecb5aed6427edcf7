"""One login by API: the refresh tokens that follow one another."""

import uuid

from django.conf import settings
from django.db import models


class TokenFamily(models.Model):
    """One login by API. Of its refresh tokens the newest alone is good; an older one ends it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="token_families"
    )
    refresh_id = models.CharField(max_length=40, help_text="The jti of the refresh token that is good now.")
    address = models.CharField(max_length=64, blank=True)
    client = models.CharField(max_length=200, blank=True, help_text="What it called itself.")
    created_at = models.DateTimeField()
    refreshed_at = models.DateTimeField()
    expires_at = models.DateTimeField(help_text="When its newest refresh token does.")
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_why = models.CharField(
        max_length=40, blank=True, help_text="logout, reused, password or administrator."
    )

    class Meta:
        verbose_name = "API login"
        verbose_name_plural = "API logins"
        ordering = ("-created_at",)
        indexes = (models.Index(fields=("expires_at",), name="token_family_expires"),)

    def __str__(self) -> str:
        return f"login of {self.user} at {self.created_at:%Y-%m-%d %H:%M}"
