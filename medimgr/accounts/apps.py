"""Roles, scopes and tokens: what an account may do beside Django's own users, groups and permissions."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Tells who may do what where a scope is read from."""

    name = "medimgr.accounts"
    label = "accounts"

    def ready(self) -> None:
        """Let ``may()`` know the scopes."""
        from medimgr.accounts.scopes import scope_of_account
        from medimgr.lib.access import scopes_are_read_by

        scopes_are_read_by(scope_of_account)
