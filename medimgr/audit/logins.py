"""Writes down who logs in, who leaves, and who tries in vain, at whichever door: Django tells of all."""

from typing import Any

from axes.signals import user_locked_out
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest

from medimgr.audit.floods import Floodgate, with_left_out
from medimgr.audit.origins import door_of
from medimgr.audit.recording import record, record_if_possible
from medimgr.lib.log_context import user_name
from medimgr.lib.request_address import address_of

NOBODY = "(no such account)"
"""Who tried with a name that no account has: people type their password there now and then."""

failures = Floodgate(per_key=10, in_all=60)
locks = Floodgate(per_key=5, in_all=60)


def connect() -> None:
    """Listen from now on. Called once, when the app is ready."""
    user_logged_in.connect(_came, dispatch_uid="audit-login")
    user_logged_out.connect(_left, dispatch_uid="audit-logout")
    user_login_failed.connect(_failed, dispatch_uid="audit-login-failed")
    user_locked_out.connect(_locked, dispatch_uid="audit-login-locked")


def _came(sender: Any, request: HttpRequest | None, user: Any, **_signal: Any) -> None:  # noqa: ARG001
    user_name.set(user.get_username())
    record("login", **_who(user), **_whence(request))


def _left(sender: Any, request: HttpRequest | None, user: Any, **_signal: Any) -> None:  # noqa: ARG001
    if user is not None:
        record("logout", **_who(user), **_whence(request))


def _failed(
    sender: Any,  # noqa: ARG001
    credentials: dict[str, Any],
    request: HttpRequest | None = None,
    **_signal: Any,
) -> None:
    if request is None:  # nobody at a door: a command or a test
        return
    whence = _whence(request)
    left_out = failures.admit(whence["address"])
    if left_out is not None:
        who = _attempted(credentials)
        record_if_possible(
            "login-failed", outcome="refused", detail=with_left_out("", left_out).strip(), **who, **whence
        )


def _locked(sender: Any, request: HttpRequest, username: Any = "", **_signal: Any) -> None:  # noqa: ARG001
    whence = _whence(request)
    left_out = locks.admit(whence["address"])
    if left_out is not None:
        detail = with_left_out("Too many wrong logins: the door stays shut for a while.", left_out)
        who = _attempted({"username": username})
        record_if_possible("login-locked", outcome="refused", detail=detail, **who, **whence)


def _attempted(credentials: dict[str, Any]) -> dict[str, Any]:
    """Return whose account was tried. One query."""
    users = get_user_model()
    name = str(credentials.get(users.USERNAME_FIELD) or "")
    try:
        user = (
            users._default_manager.filter(**{users.USERNAME_FIELD: name}).first() if _is_name(name) else None
        )
    except (DatabaseError, InterfaceError):
        user = None
    return {"who": NOBODY} if user is None else _who(user)


def _is_name(text: str) -> bool:
    return 0 < len(text) <= 150 and text.isprintable()


def _who(user: Any) -> dict[str, Any]:
    return {"who": user.get_username(), "user": user}


def _whence(request: HttpRequest | None) -> dict[str, Any]:
    if request is None:
        return {"source": "command", "address": ""}
    return {"source": door_of(request), "address": address_of(request)}
