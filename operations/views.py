"""The pages of operations: what was asked, by whom, why, and how it went."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from medimgr.events import topics
from medimgr.events.log import last_event_id
from medimgr.lib.access import may
from medimgr.lib.staff_page import staff_page
from operations import registry
from operations.models import Operation, OperationQuerySet
from operations.states import ACTIVE, Status
from operations.words import label

LIST_LENGTH = 200
FILTERS = (("all", "All"), ("active", "Under way"), ("failed", "Failed"))


@staff_page("view", Operation)
def operations(request: HttpRequest) -> HttpResponse:
    """Show the newest operations. The same number of queries however many there are."""
    event_id = last_event_id()
    show = request.GET.get("show", "all")
    if show not in dict(FILTERS):
        show = "all"
    target = request.GET.get("target", "")
    rows = _shown(show)
    if target and "\0" not in target:
        kind, _, key = target.partition(":")
        rows = rows.of(kind, key)
    context = {
        "place": "operations",
        "rows": [_row(row) for row in rows[:LIST_LENGTH]],
        "blank": {"id": 0, "status": Status.PENDING.value},
        "list_length": LIST_LENGTH,
        "filters": [{"name": name, "label": words, "active": name == show} for name, words in FILTERS],
        "target": target,
        "page_data": _page_data(request, event_id) | {"show": show, "target": target},
    }
    return render(request, "operations/list.html", context)


@staff_page("view", Operation)
def operation(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one operation. Raises Http404 where it is unknown or purged."""
    event_id = last_event_id()
    row = get_object_or_404(Operation.objects.select_related("retry_of"), pk=pk)
    context = {
        "place": "operations",
        "operation": row,
        "row": _row(row),
        "parameters": sorted(row.parameters.items()),
        "retries": row.retries.order_by("pk"),
        "active": row.status in ACTIVE,
        "page_data": _page_data(request, event_id) | {"operation": row.public()},
    }
    return render(request, "operations/detail.html", context)


def _shown(show: str) -> OperationQuerySet:
    if show == "active":
        return Operation.objects.active()
    if show == "failed":
        return Operation.objects.filter(status__in=[Status.FAILED.value, Status.TIMEOUT.value])
    return Operation.objects.all()


def _row(row: Operation) -> dict[str, Any]:
    took = (row.finished_at - row.started_at).total_seconds() if row.finished_at and row.started_at else None
    return row.public() | {
        "label": label(row.kind),
        "took": f"{took:.1f} s" if took is not None else "",
        "created": row.created_at,
    }


def _page_data(request: HttpRequest, event_id: int) -> dict[str, Any]:
    return {
        "last_event_id": event_id,
        "topics": sorted(topics.visible(request.user, ["operation", "connection"])),
        "labels": {name: kind.label for name, kind in registry.all_kinds().items()},
        "may": {verb: may(request.user, verb, Operation) for verb in ("cancel", "retry")},
    }
