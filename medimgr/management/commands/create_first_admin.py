"""Creates the first administrator of a new installation; does nothing once there is one."""

import os
import secrets
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

# 18 random bytes: 144 bits, 24 characters to copy.
_PASSWORD_BYTES = 18


class Command(BaseCommand):
    """``manage.py create_first_admin``."""

    help = (
        "Creates the first administrator where there is none: name, password and e-mail from "
        "DJANGO_SUPERUSER_USERNAME, DJANGO_SUPERUSER_PASSWORD (or DJANGO_SUPERUSER_PASSWORD_FILE) "
        "and DJANGO_SUPERUSER_EMAIL; without a password, a random one that is printed once."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Create the account, or say nothing where an active administrator exists."""
        with transaction.atomic():
            if User.objects.filter(is_superuser=True, is_active=True).exists():
                return
            # Settings have read .env into the environment by now.
            name = os.environ.get("DJANGO_SUPERUSER_USERNAME") or "admin"
            email = os.environ.get("DJANGO_SUPERUSER_EMAIL", "")
            if User.objects.filter(username=name).exists():
                raise CommandError(
                    f"There is no active administrator, and the name {name!r} is taken by another account. "
                    "Set DJANGO_SUPERUSER_USERNAME to another name."
                )
            given = _given_password()
            password = given or secrets.token_urlsafe(_PASSWORD_BYTES)
            user = User(username=name, email=email)
            try:
                user.clean_fields(exclude=["password"])
            except ValidationError as error:
                faults = " ".join(error.messages)
                raise CommandError(f"DJANGO_SUPERUSER_USERNAME or _EMAIL is wrong: {faults}") from None
            User.objects.create_superuser(name, email, password)
        if given:
            self.stdout.write(f"Created the administrator {name!r} with the password that was set for it.")
            self._warn_of_weakness(given, user)
        else:
            self._show_once(name, password)

    def _warn_of_weakness(self, password: str, user: User) -> None:
        """Whoever sets a password may choose a weak one for a trial, but not unknowingly."""
        try:
            validate_password(password, user)
        except ValidationError as error:
            faults = " ".join(error.messages)
            self.stderr.write(self.style.WARNING(f"The password of {user.username!r} is weak: {faults}"))

    def _show_once(self, name: str, password: str) -> None:
        rule = "-" * 68
        self.stdout.write(
            f"{rule}\n  Created the first administrator. The password is shown only this once:\n\n"
            f"    user name:  {name}\n    password:   {password}\n{rule}"
        )


def _given_password() -> str:
    """Return the password that was set, empty where none was. Raises CommandError for a bad file."""
    path = os.environ.get("DJANGO_SUPERUSER_PASSWORD_FILE")
    if not path:
        return os.environ.get("DJANGO_SUPERUSER_PASSWORD", "")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise CommandError(f"DJANGO_SUPERUSER_PASSWORD_FILE={path} cannot be read ({reason}).") from None
