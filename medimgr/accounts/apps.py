"""Roles, scopes and tokens: what an account may do beside Django's own users, groups and permissions."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Says where a scope is read from, and what administrators may do with accounts."""

    name = "medimgr.accounts"
    label = "accounts"

    def ready(self) -> None:
        """Let ``may()`` know the scopes, and keep the roles' groups."""
        from django.contrib.auth.models import Group, User
        from django.contrib.auth.signals import user_logged_in
        from django.db.models.signals import post_migrate

        from medimgr.accounts import login_tallies
        from medimgr.accounts.models import AccountScope, MachineToken, TokenFamily
        from medimgr.accounts.roles import keep_roles
        from medimgr.accounts.scopes import scope_of_account
        from medimgr.accounts.sessions import note_the_beginning
        from medimgr.lib.access import scopes_are_read_by
        from medimgr.lib.roles import Role, grant

        user_logged_in.connect(note_the_beginning, dispatch_uid="medimgr.accounts.sessions")
        scopes_are_read_by(scope_of_account)
        for model in (User, Group, AccountScope):
            grant(Role.ADMINISTRATOR, model, "view", "add", "change", "delete")
        grant(Role.ADMINISTRATOR, MachineToken, "view", "add", "revoke")
        grant(Role.ADMINISTRATOR, TokenFamily, "view", "change")
        login_tallies.connect()
        post_migrate.connect(keep_roles, dispatch_uid="medimgr.accounts.roles")
