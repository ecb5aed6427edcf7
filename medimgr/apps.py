"""The composition root as an app: static files and checks that belong to no single part."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class AuditedAdminConfig(AdminConfig):
    """Django's admin, with a site that writes down what is changed in it."""

    default_site = "medimgr.admin_site.AuditedSite"


class MedimgrConfig(AppConfig):
    """Holds medimgr's own static files, system checks and commands."""

    name = "medimgr"
    label = "medimgr"

    def ready(self) -> None:
        """Register the system checks."""
        from medimgr import checks  # noqa: F401
