"""The event log, its fan-out to streams, and the open connections."""

from django.apps import AppConfig


class EventsConfig(AppConfig):
    """Registers the topics that belong to this app."""

    name = "medimgr.events"
    label = "events"

    def ready(self) -> None:
        """Declare the ``connection`` topic."""
        from medimgr.events.models import Connection
        from medimgr.events.topics import register

        register("connection", Connection)
