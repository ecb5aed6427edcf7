"""Operations as the rows of tables, on the pages of operations and on those of what they are about."""

from datetime import datetime
from typing import Any

from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from medimgr.lib.access import Person, may
from operations import registry, words
from operations.models import Operation
from operations.states import ACTIVE, Status

BLANK: dict[str, Any] = {"id": 0, "status": Status.PENDING.value, "active": False}
"""What a row that is made in the browser is copied from."""
_TARGET_PAGES = {
    "service": "monitoring:service",
    "workstation": "workstations:workstation",
    "emulator": "workstations:emulator",
}
_PLACE = "_key_"


def row(operation: Operation, now: datetime | None = None) -> dict[str, Any]:
    """Return what the template ``operations/_row.html`` shows of ``operation``. No query."""
    now = now or timezone.now()
    active = operation.status in ACTIVE
    seconds = None
    if operation.started_at is not None:
        seconds = ((operation.finished_at or now) - operation.started_at).total_seconds()
    message = _message(operation, now) if active else words.error(operation)
    return operation.public() | {
        "label": words.label(operation.kind),
        "target_words": operation.target_words,
        "active": active,
        "status_word": words.status(operation),
        "message": message,
        "detail": operation.error_detail if message != operation.error_detail else "",
        "took": words.took(seconds) if seconds is not None else "",
        "created": operation.created_at,
        "target_page": target_page(operation.target_type, operation.target_key),
    }


def latest(target_type: str, target_key: str, count: int, user: Person) -> list[Operation]:
    """Return the newest operations on one target that ``user`` may look at; none without the permission.

    One query, and those of ``may()``.
    """
    if not may(user, "view", Operation):
        return []
    rows = Operation.objects.of(target_type, target_key).visible_to(user)
    return list(rows.order_by("-id")[:count])


def target_page(target_type: str, target_key: str) -> str:
    """Return the address of the page about a target, empty where there is none. No query."""
    name = _TARGET_PAGES.get(target_type)
    try:
        return reverse(name, args=[target_key]) if name and target_key else ""
    except NoReverseMatch:
        return ""


def script_data(user: Any) -> dict[str, Any]:
    """Return what the script of the rows has to know (``static/medimgr/operationrow.js``).

    Queries the user's permissions once.
    """
    return {
        "labels": {name: kind.label for name, kind in registry.all_kinds().items()},
        "error_words": words.error_sentences(),
        "target_pages": {
            kind: page.replace(_PLACE, "{key}")
            for kind in _TARGET_PAGES
            if (page := target_page(kind, _PLACE))
        },
        "may_operations": {verb: may(user, verb, Operation) for verb in ("cancel", "retry")},
    }


def _message(operation: Operation, now: datetime) -> str:
    """Return what an active operation is at, or waits for."""
    if operation.status == Status.PENDING and operation.run_after > now:
        return f"waits until {words.clock_time(timezone.localtime(operation.run_after))}"
    parts = []
    if operation.progress_total:
        parts.append(f"{operation.progress_done}/{operation.progress_total}")
    if operation.progress_message:
        parts.append(operation.progress_message)
    return " ".join(parts)
