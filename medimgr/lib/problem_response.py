"""Problems as HTTP answers: the one place that makes an ``application/problem+json`` body a response."""

import json

from django.http import HttpResponse

from medimgr.lib.log_context import request_id
from medimgr.lib.problems import Problem, problem_document

CONTENT_TYPE = "application/problem+json"


def problem_response(problem: Problem) -> HttpResponse:
    """Return the answer for a problem: its document, with the id of the request that the log knows it by."""
    document = problem_document(
        code=problem.code,
        status=problem.status,
        title=problem.title,
        detail=problem.detail,
        errors=problem.errors,
        request_id=request_id.get(),
    )
    response = HttpResponse(json.dumps(document), status=problem.status, content_type=CONTENT_TYPE)
    # An error belongs to one moment and one person.
    response["Cache-Control"] = "no-store"
    for name, value in problem.headers.items():
        response[name] = value
    return response
