"""The audit as a file: CSV for spreadsheets, JSON for programs. Sent as it is read, never whole in memory."""

import csv
import io
import json
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Literal

from asgiref.sync import sync_to_async
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils import timezone

from medimgr.audit.models import AuditEntry
from medimgr.lib.units import iso

Format = Literal["csv", "json"]
COLUMNS = (
    *("id", "at", "who", "source", "address", "request_id", "token"),
    *("action", "target", "target_name", "outcome", "detail", "operation_id"),
)
_AT_A_TIME = 1_000
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet takes a cell for a formula by, in its full-width forms too (OWASP, CSV injection)."""


def export(rows: "QuerySet[AuditEntry]", form: Format) -> StreamingHttpResponse:
    """Return ``rows``, newest first, as an attachment. A query for each 1,000 of them, while it is sent."""
    written: Callable[[Iterable[dict[str, Any]], bool], str] = as_csv if form == "csv" else as_json_lines
    kind = "text/csv; charset=utf-8" if form == "csv" else "application/x-ndjson"
    response = StreamingHttpResponse(_Pieces(rows, written), content_type=kind)
    name = f"audit-{timezone.now():%Y-%m-%d-%H%M%S}.{'csv' if form == 'csv' else 'jsonl'}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    return response


def as_csv(entries: Iterable[dict[str, Any]], first: bool) -> str:
    """Return rows of CSV (RFC 4180), below their heading where they are the ``first``. Pure."""
    sheet = io.StringIO()
    writer = csv.writer(sheet)
    if first:
        writer.writerow(COLUMNS)
    writer.writerows([defused(entry[name]) for name in COLUMNS] for entry in entries)
    return sheet.getvalue()


def as_json_lines(entries: Iterable[dict[str, Any]], first: bool) -> str:  # noqa: ARG001
    """Return one JSON object on each line. Pure."""
    return "".join(f"{json.dumps(entry)}\n" for entry in entries)


def defused(value: Any) -> str:
    """Return a cell that no spreadsheet takes for a formula: an apostrophe goes before such. Pure."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


class _Pieces:
    """The text of a file, a thousand entries at a time."""

    def __init__(
        self, rows: "QuerySet[AuditEntry]", written: Callable[[Iterable[dict[str, Any]], bool], str]
    ) -> None:
        self._rows = rows.order_by("-pk").values(*COLUMNS)
        self._written = written

    async def __aiter__(self) -> AsyncIterator[str]:
        before: int | None = None
        while True:
            text, before = await sync_to_async(self._piece)(before, first=before is None)
            yield text
            if before is None:
                return

    def _piece(self, before: int | None, *, first: bool) -> tuple[str, int | None]:
        """Return the next entries, and from where it goes on; None at the end. One query."""
        rows = self._rows if before is None else self._rows.filter(pk__lt=before)
        entries = [{**row, "at": iso(row["at"])} for row in rows[:_AT_A_TIME]]
        last = entries[-1]["id"] if len(entries) == _AT_A_TIME else None
        return self._written(entries, first), last
