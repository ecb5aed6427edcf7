"""What people see when a request fails: a page, or under /api/ a problem document."""

from django.http import HttpRequest, HttpResponse
from django.template import loader

from medimgr.api_problems import no_such_address
from medimgr.lib.problem_response import described_response

API_PREFIX = "/api/"


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001
    """Answer 400. Django calls it for a wrong Host header, too many fields and the like."""
    return _bare(request, 400, "bad-request", "Bad request", "The request is not acceptable.")


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 403, with the exception's own words: ours name the permission that is missing."""
    return _page(request, 403, "not-permitted", str(exception) or "You may not do this.")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer 403 for a form that did not prove where it comes from."""
    detail = "This form was open for too long, or under another login. Go back, reload the page, try again."
    return _page(request, 403, "csrf-failed", detail, technical=reason)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001
    """Answer 404."""
    if request.path.startswith(API_PREFIX):
        return no_such_address(request)
    return _page(request, 404, "no-such-page", "There is no such page, or what it showed was deleted.")


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 500."""
    detail = "medimgr failed to answer this. Its log says why; nothing was lost."
    return _bare(request, 500, "internal-error", "Something went wrong", detail)


def ended_early(path: str, accept: str, *, status: int, code: str, heading: str, detail: str) -> HttpResponse:
    """Return the answer to a request that was ended from outside Django: a page where one was asked for.

    Asks neither for the user nor for the database.
    """
    if path.startswith(API_PREFIX) or "text/html" not in accept:
        response = described_response(code=code, status=status, title=heading, detail=detail)
    else:
        context = {"heading": heading, "detail": detail}
        response = _uncached(loader.render_to_string("errors/bare.html", context), status)
    # The middleware that sets these is out of reach.
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; style-src 'self'"
    return response


def _page(request: HttpRequest, status: int, code: str, detail: str, *, technical: str = "") -> HttpResponse:
    if request.path.startswith(API_PREFIX):
        return described_response(code=code, status=status, detail=detail)
    context = {"detail": detail, "technical": technical}
    return _uncached(loader.render_to_string(f"errors/{status}.html", context, request), status)


def _bare(request: HttpRequest, status: int, code: str, heading: str, detail: str) -> HttpResponse:
    """Answer without asking for the user, and so for the database: either may be what failed."""
    if request.path.startswith(API_PREFIX):
        return described_response(code=code, status=status, detail=detail)
    context = {"heading": heading, "detail": detail}
    return _uncached(loader.render_to_string("errors/bare.html", context), status)


def _uncached(page: str, status: int) -> HttpResponse:
    response = HttpResponse(page, status=status)
    response["Cache-Control"] = "no-store"
    return response
