"""``/api/auth``: how programs log in, stay logged in, log out, and learn who they are."""

from typing import Any, cast

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from ninja import Router, Status

from medimgr.accounts import refreshing
from medimgr.accounts.bearer import bearer_token
from medimgr.accounts.bearer_login import holder_behind
from medimgr.accounts.exceptions import TokenInvalid
from medimgr.accounts.schemas import Credentials, MaybeRefreshToken, Me, OwnToken, Reach, RefreshToken, Tokens
from medimgr.accounts.token_login import Pair, log_in
from medimgr.lib.access import LIMITS, Limits, scope_of

router = Router(tags=["auth"])


@router.post("/login", auth=None, response=Tokens, summary="Log in")
def login(request: HttpRequest, response: HttpResponse, credentials: Credentials) -> Tokens:
    """Get an access token for 15 minutes and a refresh token for 7 days, for a staff account.

    A login lasts 30 days at most; programs that run for longer have a token of their own, which
    ``manage.py tokens issue`` prints.
    """
    return _told(response, log_in(request, credentials.username, credentials.password.get_secret_value()))


@router.post("/refresh", auth=None, response=Tokens, summary="Get the next tokens")
def refresh(request: HttpRequest, response: HttpResponse, token: RefreshToken) -> Tokens:
    """Trade the refresh token for a new pair. It is good once: a second use ends the login for everybody."""
    return _told(response, refreshing.refresh(request, token.refresh.get_secret_value()))


@router.post("/logout", auth=None, response={204: None}, summary="Log out")
def logout(request: HttpRequest, token: MaybeRefreshToken | None = None) -> Status[None]:
    """End the login that the access token in the header, or the refresh token in the body, belongs to.

    Its tokens are refused from then on, and its streams end.
    """
    access = bearer_token(request.headers.get("Authorization", ""))
    if token is not None and token.refresh is not None:
        refreshing.log_out_by_refresh(request, token.refresh.get_secret_value())
    elif access is not None:
        refreshing.log_out_by_access(request, access)
    else:
        raise TokenInvalid("Send the access token in the header, or the refresh token in the body.")
    return Status(204, None)


@router.get("/me", response=Me, summary="Who I am")
def me(request: HttpRequest) -> dict[str, Any]:
    """Tell who asks, and what the account may do with what it came with. Five queries at most."""
    user = cast(User, request.user)
    limits: Limits | None = getattr(user, LIMITS, None)
    permissions = user.get_all_permissions()
    if limits is not None and limits.permissions is not None:
        permissions = permissions & limits.permissions
    holder = holder_behind(request)
    return {
        "username": user.get_username(),
        "full_name": user.get_full_name(),
        "is_superuser": user.is_superuser,
        "roles": sorted(user.groups.values_list("name", flat=True)),
        "permissions": sorted(permissions) if user.is_active and user.is_staff else [],
        "scope": _reach(user),
        "token": holder
        and OwnToken(
            kind="login" if holder.family else "machine",
            name=holder.limits.token,
            expires_at=holder.expires_at,
        ),
    }


def _reach(user: User) -> Reach:
    scope = scope_of(user)
    labels = sorted(scope.labels or ())
    return Reach(
        everything=scope.is_everything,
        groups=[label.partition(":")[2] for label in labels if label.startswith("group:")],
        tags=[label.partition(":")[2] for label in labels if label.startswith("tag:")],
        sees_everything=not scope.hides_something,
    )


def _told(response: HttpResponse, pair: Pair) -> Tokens:
    response["Cache-Control"] = "no-store"
    return Tokens(
        access=pair.access,
        refresh=pair.refresh,
        token_type="Bearer",  # noqa: S106  (its type, no password)
        expires_in=pair.expires_in,
        refresh_expires_in=pair.refresh_expires_in,
    )
