"""What was asked of medimgr, by whom, and how it went."""

from django.apps import AppConfig


class OperationsConfig(AppConfig):
    """Registers the topics ``operation`` and ``batch`` and the app's own chores."""

    name = "operations"

    def ready(self) -> None:
        """Declare what streams and chores this app has."""
        from medimgr.events.topics import register
        from operations import housekeeping
        from operations.models import Operation

        register("operation", Operation)
        register("batch", Operation)
        housekeeping.register_chores()
