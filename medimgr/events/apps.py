"""The event log, its fan-out to streams, and the open connections."""

from django.apps import AppConfig


class EventsConfig(AppConfig):
    """Registers the topics that belong to this app."""

    name = "medimgr.events"
    label = "events"

    def ready(self) -> None:
        """Declare the ``connection`` topic, and who may do what."""
        from medimgr.events.models import Connection, Event, StreamWorker, Tick
        from medimgr.events.topics import register
        from medimgr.lib.roles import Role, grant

        register("connection", Connection)
        for model in (Connection, Event, StreamWorker, Tick):
            grant(Role.VIEWER, model, "view")
        grant(Role.ADMINISTRATOR, Connection, "kick", "probe")
