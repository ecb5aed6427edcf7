"""System checks for ``manage.py check --deploy``: stored passwords that none of the keys opens."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import DatabaseError, transaction

from workstations.models import Workstation
from workstations.passwords import unreadable

_NAMED = 10


@register(Tags.security, deploy=True)
def check_passwords_can_be_read(app_configs: Any, **options: Any) -> list[CheckMessage]:  # noqa: ARG001
    """E001 and E002: without its key a password is lost. A query; none counts where no table is."""
    try:
        with transaction.atomic():
            stored = Workstation.objects.exclude(password_sealed="").count()
            lost = unreadable() if stored and settings.MEDIMGR_ENCRYPTION_KEYS else []
    except DatabaseError:  # not migrated yet, or away: others say so
        return []
    if stored and not settings.MEDIMGR_ENCRYPTION_KEYS:
        return [
            Error(
                f"{stored} password{'s' * (stored != 1)} of workstations are stored, but there is no key.",
                hint="Set MEDIMGR_ENCRYPTION_KEYS to the keys that they were stored with.",
                id="workstations.E001",
            )
        ]
    if lost:
        more = f" and {len(lost) - _NAMED} more" if len(lost) > _NAMED else ""
        return [
            Error(
                f"None of the keys opens the password of {', '.join(lost[:_NAMED])}{more}.",
                hint="Add the old key behind the others in MEDIMGR_ENCRYPTION_KEYS, or enter the passwords "
                "again (manage.py workstations set-password NAME).",
                id="workstations.E002",
            )
        ]
    return []
