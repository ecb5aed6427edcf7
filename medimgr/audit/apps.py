"""Who did what, kept longer than what was done."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """The table of who did what."""

    name = "medimgr.audit"
    label = "audit"

    def ready(self) -> None:
        """Let administrators read and export it, and write down who comes and goes."""
        from medimgr.audit import logins
        from medimgr.audit.models import AuditEntry
        from medimgr.lib.roles import Role, grant

        grant(Role.ADMINISTRATOR, AuditEntry, "view", "export")
        logins.connect()
