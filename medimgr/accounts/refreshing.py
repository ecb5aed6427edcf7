"""Refreshes and ends logins by API.

Each refresh token is good once (RFC 9700, section 4.14). Where an older one comes again, somebody else has a
copy, and nobody can tell which of the two is the thief: the login ends for both.
"""

import logging
from datetime import UTC, datetime
from uuid import UUID

from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_out
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from medimgr.accounts import families
from medimgr.accounts.bearer import holder_of, is_bound, refusal
from medimgr.accounts.exceptions import NotALogin, TokenInvalid
from medimgr.accounts.models import TokenFamily
from medimgr.accounts.token_login import Pair, new_claims, pair, signing_keys
from medimgr.audit.recording import record
from medimgr.lib.request_address import address_of
from medimgr.lib.tokens import Claims, Kind, TokenFault, read

logger = logging.getLogger(__name__)


def refresh(request: HttpRequest, token: str) -> Pair:
    """Return the next tokens of a login for its refresh token, which is used up by it.

    One query, and one conditional UPDATE: of two that come at once one wins, and the other is a second use.
    Raises TokenInvalid, TokenExpired, TokensNotConfigured.
    """
    keys = signing_keys()
    now = timezone.now()
    claims, family = _standing(request, token, keys, now)
    access, following = new_claims(family.user, family.pk, family.created_at, now)
    if following.expires_at <= following.issued_at:
        raise _refused("it has been refreshed for as long as a login may last")
    newest = TokenFamily.objects.filter(
        pk=family.pk, refresh_id=claims.identifier, revoked_at__isnull=True
    ).update(
        refresh_id=following.identifier,
        refreshed_at=now,
        expires_at=datetime.fromtimestamp(following.expires_at, UTC),
    )
    if not newest:
        raise _used_before(request, family)
    return pair(access, following, keys)


def log_out_by_refresh(request: HttpRequest, token: str) -> None:
    """End the login that a refresh token belongs to. Raises what :func:`refresh` does."""
    _, family = _standing(request, token, signing_keys(), timezone.now())
    _log_out(request, family.pk, family.user)


def log_out_by_access(request: HttpRequest, token: str) -> None:
    """End the login that an access token belongs to. Raises TokenInvalid, TokenExpired, and NotALogin."""
    holder = holder_of(token, timezone.now(), address_of(request))
    if holder.family is None:
        raise NotALogin
    _log_out(request, holder.family, holder.user)


def _standing(
    request: HttpRequest, token: str, keys: tuple[str, ...], now: datetime
) -> tuple[Claims, TokenFamily]:
    """Return what a refresh token says and its login. Ends the login where something is wrong with it."""
    try:
        claims = read(token, Kind.REFRESH, keys, now=now.timestamp())
        family = TokenFamily.objects.select_related("user").filter(pk=UUID(claims.family)).first()
    except TokenFault as fault:
        raise refusal(fault) from None
    except ValueError:
        family = None
    if family is None or str(family.user_id) != claims.subject:
        raise _refused("the login is gone")
    if family.revoked_at is not None:
        raise _refused(f"the login was ended ({family.revoked_why})")
    if not is_bound(claims, family.user):
        families.end(family.pk, "password")
        raise _refused("the password was changed since")
    if not (family.user.is_active and family.user.is_staff):
        raise _refused(f"the account {family.user} is no active staff")
    if claims.identifier != family.refresh_id:
        raise _used_before(request, family)
    return claims, family


def _used_before(request: HttpRequest, family: TokenFamily) -> TokenInvalid:
    """End the login because its refresh token came a second time, write that down, return the refusal."""
    with transaction.atomic():
        if families.end(family.pk, "reused"):
            record(
                "token.refresh-reused",
                who=family.user.get_username(),
                source="api",
                outcome="refused",
                user=family.user,
                address=address_of(request),
                target=f"login:{family.pk}",
                detail="A refresh token was used a second time: the login was ended for everybody.",
            )
            logger.warning("A refresh token of %s was used a second time; its login was ended.", family.user)
    return _refused("it was used before")


def _log_out(request: HttpRequest, family: UUID, user: User) -> None:
    with transaction.atomic():
        if families.end(family, "logout"):
            user_logged_out.send(sender=type(user), request=request, user=user)


def _refused(why: str) -> TokenInvalid:
    logger.info("A refresh token was refused: %s", why)
    return TokenInvalid()
