"""Windows workstations that medimgr reaches over WinRM."""

from django.apps import AppConfig


class WorkstationsConfig(AppConfig):
    """Registers the topics ``workstation`` and ``emulator`` and the operations on workstations."""

    name = "workstations"

    def ready(self) -> None:
        """Declare what streams and operations this app has, and who may do what."""
        from medimgr.accounts.scope_choices import offer
        from medimgr.events.topics import register
        from medimgr.lib.roles import Role, grant
        from workstations import chores, error_words, handlers, places
        from workstations.checks import check_passwords_can_be_read  # noqa: F401  (registers itself)
        from workstations.models import Change, Emulator, Workstation
        from workstations.tags import all_tags

        register("workstation", Workstation)
        register("emulator", Emulator)
        handlers.register_kinds()
        error_words.declare()
        chores.register_chores()
        places.register_places()
        for model in (Workstation, Emulator, Change):
            grant(Role.VIEWER, model, "view")
        offer("workstation_tags", all_tags)
        grant(Role.OPERATOR, Workstation, "test", "check", "scan", "add_emulator")
        emulator_verbs = ("launch", "stop", "restart", "rename", "clone", "modify", "remove", "install")
        grant(Role.OPERATOR, Emulator, *emulator_verbs)
        grant(Role.ADMINISTRATOR, Workstation, "add", "change", "delete")
