"""Guards pages: strangers go to the login page, people without the permission get a page that says so."""

from collections.abc import Callable
from functools import update_wrapper
from typing import Concatenate, ParamSpec

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed

from medimgr.lib.access import NotAllowed, demand

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]
Guarded = Callable[Concatenate[HttpRequest, P], HttpResponseBase]

READING = ("GET", "HEAD")
"""Pages are for looking; what changes something goes through the API."""


def staff_page(verb: str, model: type[Model]) -> Callable[[View[P]], Guarded[P]]:
    """Return a decorator that lets a page be seen by staff who may do ``verb`` to ``model``.

    Raises PermissionDenied, which Django answers with the page ``403.html``. Queries the user and,
    once, the user's permissions. The page is never cached: it belongs to one moment and one person.
    """

    def guard(view: View[P]) -> Guarded[P]:
        def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if request.method not in READING:
                return HttpResponseNotAllowed(READING)
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            try:
                demand(request.user, verb, model)
            except NotAllowed as problem:
                raise PermissionDenied(problem.detail) from problem
            response = view(request, *args, **kwargs)
            response["Cache-Control"] = "no-store"
            return response

        update_wrapper(guarded, view)
        return guarded

    return guard
