"""The API's door for people who are logged in with a session cookie."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.middleware.csrf import CsrfViewMiddleware
from ninja.security import APIKeyCookie

from medimgr.lib.refusals import CsrfFailed

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class _CsrfReason(CsrfViewMiddleware):
    """Django's own check, which here answers with its reason instead of a page."""

    def _reject(self, request: HttpRequest, reason: str) -> Any:  # noqa: ARG002
        return reason


def _downstream(_request: HttpRequest) -> Any:
    raise AssertionError("The CSRF check has nothing behind it.")  # pragma: no cover


class SessionLogin(APIKeyCookie):
    """Accepts the user of Django's session; whatever changes something has to carry the CSRF token too.

    ninja's own session login checks CSRF first, so that somebody who is not logged in at all would be
    told about a token. Here a stranger is told to log in (401), and only a known user about the token.
    """

    param_name = settings.SESSION_COOKIE_NAME

    def __init__(self) -> None:
        super().__init__(csrf=True)

    def __call__(self, request: HttpRequest) -> Any:
        """Return the user or None. Raises CsrfFailed. Queries session and user, once per request."""
        user = request.user
        if not user.is_authenticated:
            return None
        if request.method not in SAFE_METHODS:
            _check_csrf(request)
        return user

    def authenticate(self, request: HttpRequest, key: str | None) -> Any:  # noqa: ARG002
        """Return the user of the session or None (ninja's interface; ``__call__`` is what runs)."""
        return request.user if request.user.is_authenticated else None


def _check_csrf(request: HttpRequest) -> None:
    check = _CsrfReason(_downstream)
    # ninja's views are exempt, so the middleware has passed them by without a look.
    request.csrf_processing_done = False  # type: ignore[attr-defined]
    check.process_request(request)
    reason = check.process_view(request, _downstream, (), {})
    if reason is not None:
        raise CsrfFailed(f"{reason} Send the value of the csrftoken cookie in the header X-CSRFToken.")
