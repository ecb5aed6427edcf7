"""Scopes and tokens."""

from medimgr.accounts.models.account_scope import AccountScope
from medimgr.accounts.models.machine_token import MachineToken
from medimgr.accounts.models.token_family import TokenFamily

__all__ = ["AccountScope", "MachineToken", "TokenFamily"]
