"""Logins by API as rows: begun, ended, forgotten. Reads no token."""

from datetime import datetime, timedelta
from uuid import UUID

from django.utils import timezone

from medimgr.accounts.models import TokenFamily

LOGIN_DAYS = 30
"""After so many days a login ends, however often it was refreshed: what goes on for longer is a machine."""
KEPT_DAYS = 7
"""So long after its last refresh token expired a login is kept, for those who ask what it was."""


def latest_end(created_at: datetime) -> datetime:
    """Return when a login that began at ``created_at`` ends at the latest."""
    return created_at + timedelta(days=LOGIN_DAYS)


def end(family: UUID, why: str) -> bool:
    """End a login with all its tokens, and return whether it had not ended yet. One conditional UPDATE.

    ``why`` is ``logout``, ``reused``, ``password`` or ``administrator``. Its streams end within a heartbeat.
    """
    alive = TokenFamily.objects.filter(pk=family, revoked_at__isnull=True)
    return bool(alive.update(revoked_at=timezone.now(), revoked_why=why))


def forget_expired() -> str:
    """Delete logins by API of which the last token expired a week ago."""
    before = timezone.now() - timedelta(days=KEPT_DAYS)
    count, _ = TokenFamily.objects.filter(expires_at__lt=before).delete()
    return f"deleted {count} login(s) by API" if count else ""
