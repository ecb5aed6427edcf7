"""What people and programs get when a request fails: a page, or a problem document.

A browser that asks for a page gets one. Whoever asks at the API, or takes no HTML, gets the document.
"""

import logging
import sys
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.core.exceptions import RequestDataTooBig
from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.template import loader

from medimgr.api_problems import no_such_address
from medimgr.lib.database_trouble import trouble_in
from medimgr.lib.log_context import request_id
from medimgr.lib.problem_response import problem_response
from medimgr.lib.problems import Problem
from medimgr.lib.refusals import CsrfFailed, NotAllowed
from medimgr.lib.request_problems import (
    BadRequest,
    InternalError,
    MethodNotAllowed,
    NoSuchPage,
    TooLarge,
)
from medimgr.lib.system_trouble import shortage_in

log = logging.getLogger("medimgr.pages")

API_PREFIX = "/api/"
STREAM_PREFIX = "/events/"
_OWN_PAGES = frozenset({403, 404})
"""They have the head of every page, with the person's name: reading it takes the database."""
_HEADINGS = {
    400: "Bad request",
    405: "Not like this",
    413: "Too large",
    500: "Something went wrong",
    503: "Not just now",
}


def wants_page(path: str, accept: str) -> bool:
    """Return whether whoever asks for ``path`` with the header ``accept`` is to be told by a page. Pure."""
    if path.startswith(API_PREFIX):
        return False
    # Streams and what goes with them are asked for by scripts, but somebody may look at the address.
    return "text/html" in accept or not (accept or path.startswith(STREAM_PREFIX))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400 or 413. Django calls it for a wrong Host header, too many fields and the like."""
    problem = TooLarge() if isinstance(exception, RequestDataTooBig) else BadRequest()
    return answer(request, problem)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 403, with the exception's own words: ours name the permission that is missing."""
    return answer(request, NotAllowed(str(exception)))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer 403 for a form that did not prove where it comes from."""
    detail = "This form was open for too long, or under another login. Go back, reload the page, try again."
    return answer(request, CsrfFailed(detail), technical=reason)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001
    """Answer 404."""
    if request.path.startswith(API_PREFIX):
        return no_such_address(request)
    return answer(request, NoSuchPage())


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 500, or 503 where it is the database that failed. Django calls it while the error is at hand."""
    error = sys.exc_info()[1]
    problem = trouble_in(error) or shortage_in(error)
    return answer(
        request,
        problem or InternalError("medimgr failed to answer this. Its log says why; nothing was lost."),
    )


def answer(request: HttpRequest, problem: Problem, *, technical: str = "") -> HttpResponse:
    """Return the answer for a problem, as whoever asks takes it. A page of 403 or 404 asks for the user."""
    if not wants_page(request.path, request.headers.get("Accept", "")):
        return problem_response(problem)
    if problem.status not in _OWN_PAGES:
        return bare_page(problem, _HEADINGS.get(problem.status, problem.title.rstrip(".")))
    context = {"detail": problem.detail, "technical": technical, "request_id": request_id.get()}
    return _uncached(loader.render_to_string(f"errors/{problem.status}.html", context, request), problem)


def bare_page(problem: Problem, heading: str) -> HttpResponse:
    """Return a page that neither asks for the user nor for the database: either may be what failed."""
    context = {"heading": heading, "detail": problem.detail, "request_id": request_id.get()}
    return _uncached(loader.render_to_string("errors/bare.html", context), problem)


def ended_early(path: str, accept: str, problem: Problem, heading: str) -> HttpResponse:
    """Return the answer to a request that was ended from outside Django: a page where one was asked for."""
    page = "text/html" in accept and wants_page(path, accept)
    response = bare_page(problem, heading) if page else problem_response(problem)
    # The middleware that sets these is out of reach.
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; style-src 'self'"
    return response


def _uncached(page: str, problem: Problem) -> HttpResponse:
    response = HttpResponse(page, status=problem.status)
    response["Cache-Control"] = "no-store"
    for name, value in problem.headers.items():
        response[name] = value
    return response


class SpokenRefusals:
    """Middleware that gives words to what Django answers without any, and to problems that a view raises."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Any) -> None:
        """Take what answers."""
        self._get_response = get_response
        self._async = iscoroutinefunction(get_response)
        if self._async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        """Answer."""
        return self._answered(request) if self._async else _spoken(request, self._get_response(request))

    async def _answered(self, request: HttpRequest) -> Any:
        return _spoken(request, await self._get_response(request))

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer a problem by its own status, and a database that is away or unprepared by one of those."""
        problem = trouble_in(exception) if isinstance(exception, Error) else exception
        if not isinstance(problem, Problem):
            return None
        level = logging.ERROR if problem.status >= 500 else logging.INFO
        log.log(level, "%s %s: %s (%s)", request.method, request.path, problem.code, type(exception).__name__)
        response = answer(request, problem)
        response._has_been_logged = True  # type: ignore[attr-defined]
        return response


def _spoken(request: HttpRequest, response: Any) -> Any:
    if response.status_code != 405 or response.streaming or response.content:
        return response
    words = f"{request.path} does not take {request.method}. It takes {response['Allow']}."
    spoken = answer(request, MethodNotAllowed(words))
    spoken["Allow"] = response["Allow"]
    return spoken
