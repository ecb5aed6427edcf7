"""By what door a request came, in the audit's words."""

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from medimgr.lib.request_source import source_of

API_PREFIX = "/api/"


def door_of(request: HttpRequest, user: object = None) -> str:
    """Return ``page``, ``admin`` or ``api``; what a page of ours asks of the API for ``user`` is ``page``.

    Reads the session of a request to the API, where there is a user and nobody has.
    """
    if request.path_info.startswith(API_PREFIX):
        return "api" if user is None else source_of(request)
    return "admin" if request.path_info.startswith(_admin()) else "page"


def _admin() -> str:
    try:
        return reverse("admin:index")
    except NoReverseMatch:  # not mounted, as under a test's own URLconf
        return "/admin/"
