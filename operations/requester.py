"""Who asks for something."""

from dataclasses import dataclass

from django.contrib.auth.models import User


@dataclass(frozen=True)
class Requester:
    """Who asks, from where, and by what way. Kept with the operation: that table is the audit."""

    name: str
    """For people; kept when the account goes."""
    source: str
    """``page``, ``admin``, ``api``, ``command`` or ``system``."""
    user: User | None = None
    """The account whose permissions count; None for commands and the system, which may do anything."""
    address: str = ""
