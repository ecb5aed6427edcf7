"""Who did what, kept longer than what was done."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """The table of who did what."""

    name = "medimgr.audit"
    label = "audit"
