"""Windows workstations that medimgr reaches over WinRM."""

from django.apps import AppConfig


class WorkstationsConfig(AppConfig):
    """Registers the topics ``workstation`` and ``emulator`` and the operations on workstations."""

    name = "workstations"

    def ready(self) -> None:
        """Declare what streams and operations this app has."""
        from medimgr.events.topics import register
        from workstations import chores, error_words, handlers
        from workstations.checks import check_passwords_can_be_read  # noqa: F401  (registers itself)
        from workstations.models import Emulator, Workstation

        register("workstation", Workstation)
        register("emulator", Emulator)
        handlers.register_kinds()
        error_words.declare()
        chores.register_chores()
