"""Counts wrong logins and shuts the door, at whichever door a password is tried: page, admin or API.

These are the two places in which django-axes is told what to do: its backend, which stands in front of the
one that checks passwords, and its handler, which counts in axes' own table. Its middleware is left out (see
docs/security.md); what a door answers while it is shut, it asks of :func:`shut_for_seconds`.

A try is counted before its password is looked at and taken back when it was right. Otherwise a thousand tries
at the same moment would all be let through before the first of them has been counted.
"""

from datetime import timedelta
from typing import Any

from axes.backends import AxesStandaloneBackend
from axes.exceptions import AxesBackendPermissionDenied
from axes.handlers.database import AxesDatabaseHandler
from axes.handlers.proxy import AxesProxyHandler
from axes.models import AccessAttempt
from axes.signals import user_locked_out
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import salted_hmac

from medimgr.lib.login_limits import LoginLimits, Tries, kept_name, shut_for, source_of
from medimgr.lib.request_address import address_of

_SHUT_FOR = "medimgr_shut_for"
UNKNOWN = "?"
"""Begins what stands for a name that no account has. No account's name may."""


def shut_for_seconds(request: HttpRequest) -> float:
    """Return for how many seconds more no login is taken, as the last try found it; 0: it was taken.

    Django's ``authenticate()`` says only that nobody was let in. No query.
    """
    return float(getattr(request, _SHUT_FOR, 0.0))


def client_source(request: HttpRequest) -> str | None:
    """Return the address that tries are counted under, the client's own. No query."""
    return source_of(address_of(request))


def cool_off(request: HttpRequest | None) -> timedelta:
    """Return how long a wrong login counts, or how long the door that a request met stays shut. No query."""
    left = 0.0 if request is None else shut_for_seconds(request)
    return timedelta(seconds=left or settings.MEDIMGR_LOGIN_LOCK_SECONDS)


def forget_old_tries() -> int:
    """Delete the tries that count no more, and return how many rows that were. One query, one DELETE."""
    old = timezone.now() - _limits().window
    deleted: int = AccessAttempt.objects.filter(attempt_time__lte=old).delete()[0]
    return deleted


class LoginDoor(AxesStandaloneBackend):  # type: ignore[misc]  # axes has no types
    """The first backend: lets a try through to the next one, which looks at the password, or ends it."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,  # noqa: ARG002
        **credentials: Any,
    ) -> None:
        """Count the try. Up to seven queries. Raises PermissionDenied, which ends the login.

        Without a request it is no door: a shell or a test asks.
        """
        if request is None:
            return
        if not AxesProxyHandler.is_allowed(request, {"username": username}):
            raise AxesBackendPermissionDenied("Too many wrong logins.")


class CountedLogins(AxesDatabaseHandler):  # type: ignore[misc]
    """Counts in axes' table: a row for each name at each address, nothing else of the request in it."""

    def is_allowed(self, request: Any, credentials: dict[str, Any] | None = None) -> bool:
        """Count a try, and return whether it may be made. Writes nothing while the door is shut."""
        name = _name(credentials)
        source = request.axes_ip_address
        left = _shut_for(source, name, _limits())
        if not left:
            had_room = _count(source, name)
            # Many at the same moment have all found it open. This one itself is counted by now.
            left = _shut_for(source, name, _limits(beyond=1))
            if not had_room and not left:  # another one was right meanwhile, and all was forgotten
                left = timedelta(seconds=1)
        _note(request, left)
        return not left

    def is_locked(self, request: Any, credentials: dict[str, Any] | None = None) -> bool:
        """Return whether the door is shut. Two queries."""
        return bool(_shut_for(request.axes_ip_address, _name(credentials), _limits()))

    def get_failures(self, request: Any, credentials: dict[str, Any] | None = None) -> int:
        """Return how many wrong logins with this name from this address count. Two queries."""
        recent = _of(request.axes_ip_address).filter(username=_name(credentials))
        return sum(recent.values_list("failures_since_start", flat=True))

    def user_login_failed(
        self,
        sender: Any,  # noqa: ARG002
        credentials: dict[str, Any],
        request: Any = None,
        **_signal: Any,
    ) -> None:
        """Tell axes' ``user_locked_out`` where this try, counted already, has shut the door. Two queries."""
        if request is None or shut_for_seconds(request):
            return
        name = _name(credentials)
        left = _shut_for(request.axes_ip_address, name, _limits())
        _note(request, left)
        if left:
            request.axes_credentials = credentials
            user_locked_out.send("axes", request=request, username=name, ip_address=request.axes_ip_address)

    def user_logged_in(self, sender: Any, request: Any, user: Any, **_signal: Any) -> None:  # noqa: ARG002
        """Forget the wrong logins with this name from this address. One query."""
        _of(request.axes_ip_address).filter(username=kept_name(user.get_username())).delete()

    def user_logged_out(self, sender: Any, request: Any, user: Any, **_signal: Any) -> None:
        """Do nothing: who was here stands in the audit."""


def _name(credentials: dict[str, Any] | None) -> str:
    """Return the name under which a try is counted. One query.

    People type their password there now and then: of what is no account's name, only a digest is stored.
    """
    name = kept_name((credentials or {}).get("username") or "")
    if get_user_model()._default_manager.filter(username=name).exists():
        return name
    return UNKNOWN + salted_hmac(__name__, name, algorithm="sha256").hexdigest()[:32]


def _limits(*, beyond: int = 0) -> LoginLimits:
    return LoginLimits(
        per_name=settings.MEDIMGR_LOGIN_MAX_FAILURES + beyond,
        per_address=settings.MEDIMGR_LOGIN_MAX_FAILURES_PER_ADDRESS + beyond,
        window=timedelta(seconds=settings.MEDIMGR_LOGIN_LOCK_SECONDS),
    )


def _of(source: str | None) -> "QuerySet[Any]":
    """Return the tries from ``source`` that count."""
    fresh = timezone.now() - _limits().window
    found: QuerySet[Any] = AccessAttempt.objects.filter(ip_address=source, attempt_time__gt=fresh)
    return found


def _shut_for(source: str | None, name: str, limits: LoginLimits) -> timedelta:
    rows = _of(source).order_by().values_list("username", "failures_since_start", "attempt_time")
    return shut_for((Tries(*row) for row in rows), name, limits, timezone.now())


def _count(source: str | None, name: str) -> bool:
    """Count a try, and return whether there was room for it. Two UPDATEs, or both and an insert."""
    now = timezone.now()
    limits = _limits()
    row = AccessAttempt.objects.filter(ip_address=source, username=name, user_agent="")
    stale = row.filter(attempt_time__lte=now - limits.window)
    room = row.filter(failures_since_start__lt=limits.per_name)
    for _ in range(2):  # again where another one has inserted the row meanwhile
        if stale.update(failures_since_start=1, attempt_time=now):
            return True
        if room.update(failures_since_start=F("failures_since_start") + 1, attempt_time=now):
            return True
        _, is_new = AccessAttempt.objects.get_or_create(
            ip_address=source, username=name, user_agent="", defaults={"failures_since_start": 1}
        )
        if is_new:
            return True
    return False


def _note(request: Any, left: timedelta) -> None:
    setattr(request, _SHUT_FOR, left.total_seconds())
    request.axes_locked_out = bool(left)
