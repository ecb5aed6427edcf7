"""Windows workstations that medimgr reaches over WinRM."""

from django.apps import AppConfig


class WorkstationsConfig(AppConfig):
    """Registers the ``workstation`` topic and the operations on workstations."""

    name = "workstations"

    def ready(self) -> None:
        """Declare what streams and operations this app has."""
        from medimgr.events.topics import register
        from workstations import handlers
        from workstations.models import Workstation

        register("workstation", Workstation)
        handlers.register_kinds()
