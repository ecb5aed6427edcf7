"""Logs programs in: a name and a password become a pair of tokens.

Who has no such account, who has the wrong password, who is not active and who is no staff are told the same,
after the same work.
"""

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.conf import settings
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from medimgr.accounts import families
from medimgr.accounts.exceptions import LoginRefused, TokensNotConfigured, TooManyLogins
from medimgr.accounts.login_door import shut_for_seconds
from medimgr.accounts.models import TokenFamily
from medimgr.lib.request_address import address_of
from medimgr.lib.tokens import ACCESS_SECONDS, Claims, Kind, bound_to, claims_from, issue

_LONGEST_CLIENT = 200


@dataclass(frozen=True)
class Pair:
    """An access token and the refresh token that gets the next one."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    expires_in: int
    """Seconds."""
    refresh_expires_in: int


def signing_keys() -> tuple[str, ...]:
    """Return the keys; the first signs. Raises TokensNotConfigured where there is none. No query."""
    keys: tuple[str, ...] = settings.MEDIMGR_TOKEN_KEYS
    if not keys:
        raise TokensNotConfigured
    return keys


def log_in(request: HttpRequest, username: str, password: str) -> Pair:
    """Begin a login and return its first tokens.

    Queries the account, counts failures and tells whoever listens to Django's signals, as a login at the page
    does. Raises LoginRefused, TooManyLogins, TokensNotConfigured.
    """
    keys = signing_keys()
    user = authenticate(request=request, username=username, password=password)
    if not isinstance(user, User) or not user.is_staff:
        if user is not None:
            # Counted like any other: whoever tries may not learn from the lock that a password was right.
            user_login_failed.send(sender=__name__, credentials={"username": username}, request=request)
        raise _refusal(request)
    now = timezone.now()
    with transaction.atomic():
        family = uuid.uuid4()
        access, refresh = new_claims(user, family, now, now)
        TokenFamily.objects.create(
            pk=family,
            user=user,
            refresh_id=refresh.identifier,
            address=address_of(request)[:64],
            client=_called_itself(request),
            created_at=now,
            refreshed_at=now,
            expires_at=datetime.fromtimestamp(refresh.expires_at, UTC),
        )
        user_logged_in.send(sender=type(user), request=request, user=user)
    return pair(access, refresh, keys)


def new_claims(user: User, family: uuid.UUID, began: datetime, now: datetime) -> tuple[Claims, Claims]:
    """Return what the next access and refresh token of a login say that began at ``began``. No query."""
    until = families.latest_end(began).timestamp()
    whose = {"subject": str(user.pk), "family": str(family), "bound": bound_to(user.get_session_auth_hash())}
    refresh = claims_from(Kind.REFRESH, **whose, now=now.timestamp(), until=until)
    access = claims_from(Kind.ACCESS, **whose, now=now.timestamp(), until=refresh.expires_at)
    return access, refresh


def pair(access: Claims, refresh: Claims, keys: tuple[str, ...]) -> Pair:
    """Return the signed tokens. No query."""
    return Pair(
        access=issue(access, keys),
        refresh=issue(refresh, keys),
        expires_in=min(ACCESS_SECONDS, access.expires_at - access.issued_at),
        refresh_expires_in=refresh.expires_at - refresh.issued_at,
    )


def _refusal(request: HttpRequest) -> LoginRefused | TooManyLogins:
    shut = shut_for_seconds(request)
    if shut:
        return TooManyLogins(shut)
    return LoginRefused(
        "No staff account has this name and this password. After too many wrong ones the door stays shut for "
        "a while."
    )


def _called_itself(request: HttpRequest) -> str:
    name = request.headers.get("User-Agent", "")
    return "".join(letter for letter in name if letter.isprintable())[:_LONGEST_CLIENT]
