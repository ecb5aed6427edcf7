"""Services, the supervisor that keeps them running, and the page that shows them."""

from django.apps import AppConfig


class MonitoringConfig(AppConfig):
    """Registers topics, operation kinds and chores."""

    name = "monitoring"

    def ready(self) -> None:
        """Declare what streams and operations this app has."""
        from medimgr.events import sources
        from medimgr.events.topics import register
        from monitoring import chores, error_words, handlers
        from monitoring.log_source import LogSource, open_log_source
        from monitoring.models import Node, Service

        register("service", Service)
        register("node", Node)
        sources.register(LogSource.name, open_log_source)
        handlers.register_kinds()
        error_words.declare()
        chores.register_chores()
