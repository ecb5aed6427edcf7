"""Machines' tokens for tests."""

from typing import Any

from django.contrib.auth.models import User

from medimgr.accounts import machine_tokens
from medimgr.accounts.machine_tokens import Issued, Issuer

SHELL = Issuer("root", "command")
LOOK = ("monitoring.view_service", "operations.view_operation")


def issued(user: User, name: str = "ci", **how: Any) -> Issued:
    """Issue a token for ``user`` that may look at services and operations, unless ``how`` says otherwise."""
    wanted: dict[str, Any] = {"permissions": LOOK, "days": 1, **how}
    return machine_tokens.issue(name, user, SHELL, **wanted)
