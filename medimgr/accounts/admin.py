"""Administration of what accounts have beside their users and groups."""

from medimgr.accounts.admin_accounts import AccountAdmin, RoleAdmin
from medimgr.accounts.admin_logins import TokenFamilyAdmin
from medimgr.accounts.admin_tokens import MachineTokenAdmin

__all__ = ["AccountAdmin", "MachineTokenAdmin", "RoleAdmin", "TokenFamilyAdmin"]
