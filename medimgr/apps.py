"""The composition root as an app: static files and checks that belong to no single part."""

from django.apps import AppConfig


class MedimgrConfig(AppConfig):
    """Holds medimgr's own static files, system checks and commands."""

    name = "medimgr"
    label = "medimgr"

    def ready(self) -> None:
        """Register the system checks."""
        from medimgr import checks  # noqa: F401
