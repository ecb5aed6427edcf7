"""Services, the supervisor that keeps them running, and the page that shows them."""

from django.apps import AppConfig


class MonitoringConfig(AppConfig):
    """Registers topics, operation kinds and chores."""

    name = "monitoring"

    def ready(self) -> None:
        """Declare what streams and operations this app has, and who may do what."""
        from medimgr.accounts.scope_choices import offer
        from medimgr.events import sources
        from medimgr.events.sight import labels_are_read_by
        from medimgr.events.topics import register
        from medimgr.lib.roles import Role, grant
        from monitoring import chores, error_words, handlers, places
        from monitoring.log_source import LogSource, open_log_source
        from monitoring.models import Dependency, Node, Run, Service, Transition
        from monitoring.models.service import all_groups, labels_by_key

        register("service", Service)
        register("node", Node)
        labels_are_read_by(labels_by_key)
        sources.register(LogSource.name, open_log_source)
        handlers.register_kinds()
        error_words.declare()
        chores.register_chores()
        places.register_places()
        for model in (Node, Service, Dependency, Run, Transition):
            grant(Role.VIEWER, model, "view")
        offer("service_groups", all_groups)
        grant(Role.VIEWER, Service, "tail")
        grant(Role.OPERATOR, Service, "start", "stop", "restart", "recover")
        for declared in (Service, Dependency):
            grant(Role.ADMINISTRATOR, declared, "add", "change", "delete")
        grant(Role.ADMINISTRATOR, Node, "change")
