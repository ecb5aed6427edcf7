"""The JSON API for the logs of operations."""

from typing import Any, Literal

from django.http import HttpRequest
from django.http.response import HttpResponse, HttpResponseBase
from ninja import Query, Router
from pydantic import BaseModel, Field

from medimgr.lib.access import demand
from medimgr.lib.api_parameters import RowId
from operations.asking import called
from operations.log_lines import MOST_BYTES, MOST_LINES
from operations.log_reading import piece, read_all
from operations.models import Operation

router = Router(tags=["operations"])

_MOST = MOST_LINES + 1


class LogLineShape(BaseModel):
    """One line."""

    number: int = Field(description="Counted from 1.")
    at: str
    level: Literal["debug", "info", "warning", "error"]
    text: str


class OperationLogShape(BaseModel):
    """Some lines of an operation's log, secrets masked, and where to go on."""

    operation: int
    lines: list[LogLineShape]
    last: int = Field(description="Ask for what comes ``after`` this one to go on.")
    log_lines: int = Field(description="How many there are by now.")
    complete: bool = Field(description="The operation has ended, and there is nothing after ``last``.")


class OperationLogQuery(BaseModel):
    """Which lines are wanted."""

    after: int = Field(0, ge=0, le=2**31 - 1, description="Only lines behind this one.")
    limit: int = Field(1000, ge=1, le=_MOST, description="At most so many.")
    download: bool = Field(False, description="All of it as a text file.")


@router.get("/{operation_id}/log", response=OperationLogShape, summary="Its log")
def operation_log(
    request: HttpRequest, operation_id: RowId, wanted: Query[OperationLogQuery]
) -> HttpResponseBase | dict[str, Any]:
    """What its handler said, in order; it goes with the operation. Two queries."""
    demand(request.user, "view", Operation)
    row = called(operation_id, request.user)
    if wanted.download:
        return _as_file(row)
    return piece(row.pk, row.status, row.log_lines, wanted.after, wanted.limit, 2 * MOST_BYTES)


def _as_file(row: Operation) -> HttpResponse:
    text = "".join(f"{line.at} {line.level.upper():7} {line.text}\n" for line in read_all(row.pk))
    response = HttpResponse(text, content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="operation-{row.pk}.log"'
    response["X-Content-Type-Options"] = "nosniff"
    return response
