"""The one page at which people log in, for the admin too."""

from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.utils.http import url_has_allowed_host_and_scheme

from medimgr.accounts.exceptions import TooManyLogins
from medimgr.accounts.login_door import shut_for_seconds
from medimgr.lib.access import demand_staff
from medimgr.lib.refusals import NotAllowed

ADMIN = "/admin/"


class LoginForm(AuthenticationForm):
    """A name and a password. Who is not let in learns no more than that, or how long the door is shut."""

    def get_invalid_login_error(self) -> ValidationError:
        """Return why nobody was let in. No query."""
        problem = _shut(self.request)
        return super().get_invalid_login_error() if problem is None else ValidationError(problem.detail)


class LoginPage(LoginView):
    """The page. It leads on to ``next`` where that is a page of ours; while the door is shut it is a 429."""

    authentication_form = LoginForm
    redirect_authenticated_user = True

    def form_invalid(self, form: Any) -> HttpResponse:
        """Show what is wrong, with ``Retry-After`` where it is only the time."""
        response = super().form_invalid(form)
        problem = _shut(self.request)
        if problem is not None:
            response.status_code = problem.status
            for name, value in problem.headers.items():
                response[name] = value
        return response


def admin_login(request: HttpRequest) -> HttpResponse:
    """Send whom the admin does not know to the login page, and tell whom it does not let in.

    Queries session and user. Raises PermissionDenied.
    """
    wanted = request.GET.get("next", "")
    if not url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure()):
        wanted = ADMIN
    if not request.user.is_authenticated:
        return HttpResponseRedirect(f"{resolve_url('login')}?{urlencode({'next': wanted}, safe='/')}")
    try:
        demand_staff(request.user)
    except NotAllowed as problem:
        # Sent on to the login page, which sends on whoever is logged in, he would go round in a circle.
        raise PermissionDenied(problem.detail) from None
    return HttpResponseRedirect(wanted)


def _shut(request: HttpRequest | None) -> TooManyLogins | None:
    seconds = 0.0 if request is None else shut_for_seconds(request)
    return TooManyLogins(seconds) if seconds else None
