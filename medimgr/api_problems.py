"""Turns whatever goes wrong inside the API into one shape, ``application/problem+json`` (RFC 9457)."""

import logging
from collections import defaultdict
from typing import Any

from django.core.exceptions import BadRequest as NotAcceptable
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import Error
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from medimgr.api_bodies import NotJson
from medimgr.lib.database_trouble import trouble_in
from medimgr.lib.problem_response import problem_response
from medimgr.lib.problems import Problem
from medimgr.lib.refusals import NotAllowed, NotLoggedIn
from medimgr.lib.request_problems import (
    BadRequest,
    BrokenOff,
    InternalError,
    Invalid,
    MethodNotAllowed,
    NoSuchAddress,
    TooLarge,
)
from medimgr.lib.system_trouble import shortage_in

log = logging.getLogger("medimgr.api")


def register_problem_handlers(api: NinjaAPI) -> None:
    """Have ``api`` answer every error as a problem document; nothing gets past the last handler."""
    handlers: dict[type[Exception], Any] = {
        Problem: lambda _, error: problem_response(error),
        ValidationError: lambda _, error: problem_response(invalid(error.errors)),
        AuthenticationError: lambda _, __: problem_response(NotLoggedIn(_LOG_IN)),
        HttpError: _http_error,
        Http404: lambda request, _: no_such_address(request),
        PermissionDenied: lambda _, __: problem_response(NotAllowed()),
        RequestDataTooBig: lambda _, __: problem_response(TooLarge()),
        UnreadablePostError: lambda _, __: problem_response(BrokenOff()),
        SuspiciousOperation: lambda _, __: problem_response(BadRequest()),
        MultiPartParserError: lambda _, __: problem_response(BadRequest(_BAD_FORM)),
        NotAcceptable: lambda _, __: problem_response(BadRequest(_BAD_FORM)),
        Error: _database_error,
        Exception: _unexpected,
    }
    for kind, handler in handlers.items():
        api.add_exception_handler(kind, handler)


_NAMED, _LONGEST_NAME = 10, 60
"""So many wrong fields, and so much of the name of each, stand in the sentence."""
_BAD_FORM = "The form in the body cannot be read. Send JSON, or a form with a boundary and in UTF-8."
_LOG_IN = "Log in first: at /login/, or with /api/auth/login for a bearer token."


def invalid(faults: list[dict[str, Any]]) -> Invalid:
    """Return the problem of fields that do not fit: what is wrong with each, never the value itself."""
    errors: dict[str, list[str]] = defaultdict(list)
    for fault in faults:
        errors[_place(fault["loc"])].append(fault["msg"])
    names = sorted(errors)
    where = ", ".join(name[:_LONGEST_NAME] for name in names[:_NAMED])
    if len(names) > _NAMED:
        where += f" and {len(names) - _NAMED} more"
    return Invalid(f"Correct {where}. {next(iter(errors.values()))[0]}.", errors=dict(errors))


def _place(location: tuple[str | int, ...]) -> str:
    # ninja says ("query", "wanted", "limit"): source, our parameter's name, then what the client wrote.
    source, *rest = (str(part) for part in location)
    inner = rest[1:] if source in {"body", "query"} and len(rest) > 1 else rest
    return ".".join(inner) or source


def no_such_address(request: HttpRequest) -> HttpResponse:
    """Answer for a path under /api/ that nothing serves."""
    return problem_response(
        NoSuchAddress(f"The API has no {request.path}. Paths end without a slash; /api/docs lists them.")
    )


def not_allowed(request: HttpRequest, allow: str) -> HttpResponse:
    """Answer for a method that a path does not take; ``allow`` is the list for the Allow header."""
    words = f"{request.path} does not take {request.method}."
    response = problem_response(MethodNotAllowed(f"{words} It takes {allow}."))
    response["Allow"] = allow
    return response


def _http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    if isinstance(error.__cause__, Problem):  # of our parser of bodies, which ninja wraps
        return problem_response(error.__cause__)
    if isinstance(error.__cause__, SuspiciousOperation | MultiPartParserError | NotAcceptable):
        return problem_response(BadRequest(_BAD_FORM))
    if error.status_code == 400:  # the only one that ninja itself raises with it
        return problem_response(NotJson("The body is not JSON. Send a JSON object or no body."))
    return _unexpected(request, error)


def _database_error(request: HttpRequest, error: Exception) -> HttpResponse:
    problem = trouble_in(error)
    if problem is None:
        return _unexpected(request, error)
    log.error("%s %s: %s (%s)", request.method, request.path, problem.code, type(error).__name__)
    return problem_response(problem)


def _unexpected(request: HttpRequest, error: Exception) -> HttpResponse:
    # The traceback goes to the log alone: it may hold paths and values that are nobody's business.
    log.error("%s %s failed", request.method, request.path, exc_info=error)
    shortage = shortage_in(error)
    if shortage is not None:
        return problem_response(shortage)
    return problem_response(
        InternalError("medimgr failed to answer this. Its log says why; nothing was lost.")
    )
