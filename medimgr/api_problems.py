"""Turns whatever goes wrong inside the API into one shape, ``application/problem+json`` (RFC 9457)."""

import logging
from collections import defaultdict
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from medimgr.lib.problem_response import described_response, problem_response
from medimgr.lib.problems import Problem

log = logging.getLogger("medimgr.api")


def register_problem_handlers(api: NinjaAPI) -> None:
    """Have ``api`` answer every error as a problem document; nothing gets past the last handler."""
    handlers: dict[type[Exception], Any] = {
        Problem: lambda _, error: problem_response(error),
        ValidationError: lambda _, error: invalid(error.errors),
        AuthenticationError: lambda _, __: not_logged_in(),
        HttpError: _http_error,
        Http404: lambda request, _: no_such_address(request),
        PermissionDenied: lambda _, __: described_response(
            code="not-permitted", status=403, detail="You may not do this."
        ),
        RequestDataTooBig: lambda _, __: described_response(
            code="too-large", status=413, detail="The body of the request is too large."
        ),
        UnreadablePostError: lambda _, __: described_response(
            code="unreadable", status=400, detail="The body of the request broke off."
        ),
        SuspiciousOperation: lambda _, __: described_response(
            code="bad-request", status=400, detail="The request is not acceptable."
        ),
        OperationalError: _database_away,
        InterfaceError: _database_away,
        Exception: _unexpected,
    }
    for kind, handler in handlers.items():
        api.add_exception_handler(kind, handler)


def invalid(faults: list[dict[str, Any]]) -> HttpResponse:
    """Answer for fields that do not fit, each with what is wrong with it; never with the value itself."""
    errors: dict[str, list[str]] = defaultdict(list)
    for fault in faults:
        errors[_place(fault["loc"])].append(fault["msg"])
    where = ", ".join(sorted(errors))
    return described_response(
        code="invalid",
        status=422,
        title="The request does not fit.",
        detail=f"Correct {where}. {next(iter(errors.values()))[0]}.",
        errors=dict(errors),
    )


def _place(location: tuple[str | int, ...]) -> str:
    # ninja says ("query", "wanted", "limit"): source, our parameter's name, then what the client wrote.
    source, *rest = (str(part) for part in location)
    inner = rest[1:] if source in {"body", "query"} and len(rest) > 1 else rest
    return ".".join(inner) or source


def not_logged_in() -> HttpResponse:
    """Answer for somebody whom we do not know."""
    response = described_response(
        code="not-logged-in", status=401, detail="Log in first, at /login/ or in the admin."
    )
    # A 401 has to name a way in; there is no registered scheme for a session cookie.
    response["WWW-Authenticate"] = 'Session realm="medimgr"'
    return response


def no_such_address(request: HttpRequest) -> HttpResponse:
    """Answer for a path under /api/ that nothing serves."""
    return described_response(
        code="no-such-address",
        status=404,
        detail=f"The API has no {request.path}. Paths end without a slash; /api/docs lists them.",
    )


def not_allowed(request: HttpRequest, allow: str) -> HttpResponse:
    """Answer for a method that a path does not take; ``allow`` is the list for the Allow header."""
    response = described_response(
        code="method-not-allowed",
        status=405,
        detail=f"{request.path} does not take {request.method}. It takes {allow}.",
    )
    response["Allow"] = allow
    return response


def _http_error(_request: HttpRequest, error: HttpError) -> HttpResponse:
    if isinstance(error.__cause__, Problem):  # of our parser of bodies, which ninja wraps
        return problem_response(error.__cause__)
    if error.status_code == 400:  # the only one that ninja itself raises with it
        return described_response(
            code="bad-json", status=400, detail="The body is not JSON. Send a JSON object or no body."
        )
    return described_response(
        code=f"http-{error.status_code}", status=error.status_code, detail=error.message
    )


def _database_away(request: HttpRequest, error: Exception) -> HttpResponse:
    log.error("%s %s: the database is away (%s)", request.method, request.path, type(error).__name__)
    response = described_response(
        code="database-unavailable",
        status=503,
        detail="The database does not answer. Services go on running; try again in a moment.",
    )
    response["Retry-After"] = "2"
    return response


def _unexpected(request: HttpRequest, error: Exception) -> HttpResponse:
    # The traceback goes to the log alone: it may hold paths and values that are nobody's business.
    log.error("%s %s failed", request.method, request.path, exc_info=error)
    return described_response(
        code="internal-error",
        status=500,
        detail="medimgr failed to answer this. Its log says why; nothing was lost.",
    )
