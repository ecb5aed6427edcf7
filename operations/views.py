"""The pages of operations: what was asked, by whom, why, and how it went."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone

from medimgr.events import topics
from medimgr.events.log import last_event_id
from medimgr.lib.access import may
from medimgr.lib.staff_page import staff_page
from medimgr.lib.units import iso
from operations import batch_cards, registry, rows
from operations.chore_rows import attention, chore_rows
from operations.exceptions import BadFilter
from operations.models import ChoreRun, Operation
from operations.parameter_words import parameter_words
from operations.selection import COUNTED, Part, Selection
from operations.states import ACTIVE, Status

LIST_LENGTH = 100
STATUS_FILTERS = (
    ("", "All"),
    ("active", "Under way"),
    (Status.PENDING.value, "Waiting"),
    (Status.RUNNING.value, "Running"),
    ("failures", "Failed"),
    (Status.CANCELLED.value, "Cancelled"),
    (Status.SUCCESS.value, "Succeeded"),
)
SINCE_FILTERS = (
    ("", "Any time"),
    ("15m", "Last 15 minutes"),
    ("1h", "Last hour"),
    ("24h", "Last 24 hours"),
    ("7d", "Last 7 days"),
)
# Past ids that no database can compare with, there is nothing.
_LARGEST_ID = 2**63 - 1


@staff_page("view", Operation)
def operations(request: HttpRequest) -> HttpResponse:
    """Show a page of the operations that fit the filters, newest first.

    A bounded number of queries, each of a bounded part of the table (:mod:`operations.selection`).
    """
    event_id = last_event_id()
    now = timezone.now()
    fault = ""
    try:
        selection = Selection.read(request.GET.dict(), now).visible_to(request.user)
        part = selection.page(before=_id(request, "before"), after=_id(request, "after"), limit=LIST_LENGTH)
    except BadFilter as problem:
        # Never everything instead: somebody may be about to cancel what is shown.
        selection, part, fault = Selection(), Part([], None, None, 0), problem.detail
    given = selection.given
    first = part.newer is None and not fault
    context = {
        "place": "operations",
        "fault": fault,
        "chores": may(request.user, "view", ChoreRun),
        "attention": attention(chore_rows(now)) if may(request.user, "view", ChoreRun) else [],
        "rows": [rows.row(row, now) for row in part.rows],
        "blank": rows.BLANK,
        "picks": True,
        "count_words": _count_words(part),
        "older": _address(given, before=part.older),
        "newer": _address(given, after=part.newer),
        "newest": _address(given) if not first else "",
        "looked_back": part.older is not None and len(part.rows) < LIST_LENGTH,
        "filters": [
            {
                "label": label,
                "query": urlencode(given | {"status": name}),
                "active": name == given.get("status", ""),
            }
            for name, label in _with_own(STATUS_FILTERS, selection.status)
        ],
        "kinds": sorted(
            {name: kind.label for name, kind in registry.all_kinds().items()}.items()
            | (
                {selection.kind: selection.kind}.items()
                if selection.kind and selection.kind not in registry.all_kinds()
                else set()
            )
        ),
        "sinces": _with_own(SINCE_FILTERS, selection.since),
        "selection": selection,
        "batch": batch_cards.card_of(selection.batch, request.user),
        "filtered": bool(given),
        "without_batch": _address({name: value for name, value in given.items() if name != "batch"}),
        "page_data": _page_data(request, event_id)
        | {
            "operations": [row.public() for row in part.rows],
            "selection": given | {"statuses": selection.statuses, "since_at": iso(selection.since_at)},
            "query": urlencode(given),
            "first": first,
            "limit": LIST_LENGTH,
            "batch": batch_cards.rights(request.user),
        },
    }
    return render(request, "operations/list.html", context)


@staff_page("view", Operation)
def operation(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one operation. Raises Http404 where it is unknown or purged."""
    event_id = last_event_id()
    rows_seen = Operation.objects.visible_to(request.user)
    row = get_object_or_404(rows_seen.select_related("retry_of"), pk=min(pk, _LARGEST_ID))
    context = {
        "place": "operations",
        "operation": row,
        "row": rows.row(row),
        "batch": batch_cards.card_of(row.batch, request.user),
        "parameters": parameter_words(row.parameters),
        "retries": rows_seen.filter(retry_of=row).order_by("pk"),
        "active": row.status in ACTIVE,
        "page_data": _page_data(request, event_id) | {"operation": row.public()},
    }
    return render(request, "operations/detail.html", context)


def _id(request: HttpRequest, name: str) -> int | None:
    """Return the id that a page begins or ends at. Raises BadFilter."""
    text = request.GET.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and int(text[:20]) <= _LARGEST_ID):
        raise BadFilter(
            f"Correct {name}. It is no number of an operation.", errors={name: ["It is no number"]}
        )
    return int(text)


def _address(given: dict[str, str], **place: int | None) -> str:
    """Return the address of another page of the list; empty where there is none."""
    if place and None in place.values():
        return ""
    return "?" + urlencode({**given, **place})


def _with_own(choices: tuple[tuple[str, str], ...], own: str) -> list[tuple[str, str]]:
    """Return the choices, with the one from the address where it is none of them."""
    return [*choices, *([(own, own.capitalize())] if own not in dict(choices) else [])]


def _count_words(part: Part) -> str:
    if part.count is None:
        return ""
    number = f"{part.count:,}"
    if not part.complete:
        number = f"more than {number}" if part.count >= COUNTED else f"at least {number}"
    return f"{number} {'operation' if part.count == 1 else 'operations'}"


def _page_data(request: HttpRequest, event_id: int) -> dict[str, Any]:
    return {
        "last_event_id": event_id,
        "topics": sorted(topics.visible(request.user, ["operation", "batch", "connection"])),
        **rows.script_data(request.user),
    }
