"""What was asked of medimgr, by whom, and how it went."""

from django.apps import AppConfig


class OperationsConfig(AppConfig):
    """Registers the topics ``operation`` and ``batch`` and the app's own chores."""

    name = "operations"

    def ready(self) -> None:
        """Declare what streams and chores this app has, and who may do what."""
        from medimgr.audit.places import lead_to
        from medimgr.events import sources
        from medimgr.events.topics import register
        from medimgr.lib.roles import Role, grant
        from operations import housekeeping, purge_operation
        from operations.auditing import places_of_operations
        from operations.line_source import OperationLogSource, open_operation_log
        from operations.models import ChoreRun, Operation

        register("operation", Operation)
        register("batch", Operation)
        sources.register(OperationLogSource.name, open_operation_log)
        purge_operation.register_kind()
        housekeeping.register_chores()
        lead_to("operation", places_of_operations)
        for model in (Operation, ChoreRun):
            grant(Role.VIEWER, model, "view")
        grant(Role.OPERATOR, Operation, "cancel", "retry")
        grant(Role.ADMINISTRATOR, Operation, "purge")
        grant(Role.ADMINISTRATOR, ChoreRun, "change")
