"""Which services and workstations an account, or all members of a group, are limited to."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from medimgr.lib.scope import Labels, group_label, tag_labels


class AccountScope(models.Model):
    """Limits a user, or the members of a group, to services in some groups and workstations with some tags.

    What several of them allow adds up. Who has none is limited by permissions alone.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="scope"
    )
    group = models.OneToOneField(
        "auth.Group", null=True, blank=True, on_delete=models.CASCADE, related_name="scope"
    )
    service_groups = models.JSONField(
        default=list, blank=True, help_text="Groups of services, as services name them."
    )
    workstation_tags = models.JSONField(default=list, blank=True, help_text="Tags of workstations.")
    sees_everything = models.BooleanField(
        "may look at the rest", default=False, help_text="Without being able to do anything to it."
    )

    class Meta:
        verbose_name = "scope"
        constraints = (
            models.CheckConstraint(
                condition=Q(user__isnull=True) ^ Q(group__isnull=True), name="scope_of_user_or_group"
            ),
        )

    def __str__(self) -> str:
        return f"scope of {self.user or self.group}"

    @property
    def labels(self) -> Labels:
        """Return the labels of what is in reach."""
        return tag_labels(self.workstation_tags).union(*map(group_label, self.service_groups))
