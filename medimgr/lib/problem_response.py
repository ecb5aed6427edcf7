"""Problems as HTTP answers: the one place that makes an ``application/problem+json`` body a response."""

import json
from http import HTTPStatus

from django.http import HttpResponse

from medimgr.lib.problems import Problem, problem_document

CONTENT_TYPE = "application/problem+json"


def problem_response(problem: Problem) -> HttpResponse:
    """Return the answer for a raised problem."""
    response = described_response(
        code=problem.code,
        status=problem.status,
        title=problem.title,
        detail=problem.detail,
        errors=problem.errors,
    )
    for name, value in problem.headers.items():
        response[name] = value
    return response


def described_response(
    *,
    code: str,
    status: int,
    detail: str,
    title: str = "",
    errors: dict[str, list[str]] | None = None,
) -> HttpResponse:
    """Return an answer for what is no Problem of ours; the title is HTTP's phrase unless given."""
    document = problem_document(
        code=code,
        status=status,
        title=title or HTTPStatus(status).phrase,
        detail=detail,
        errors=errors,
    )
    response = HttpResponse(json.dumps(document), status=status, content_type=CONTENT_TYPE)
    # An error belongs to one moment and one person.
    response["Cache-Control"] = "no-store"
    return response
