"""The monitoring pages. The first byte carries what is known; the stream goes on from there.

The scripts of a page get their data from one JSON element: the snapshot, what this person may do,
and which topics this person may follow.
"""

from typing import Any

from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone

from medimgr.events import topics
from medimgr.events.log import last_event_id
from medimgr.events.models import Connection
from medimgr.lib.access import may, reach_of
from medimgr.lib.staff_page import staff_page
from monitoring import connection_rows, declared, wording
from monitoring.attention import bucket, rests, sentence, troubles
from monitoring.models import Dependency, Run, Service
from monitoring.snapshot import services_snapshot
from monitoring.states import EXIT_SOURCE_WORDS, REASON_WORDS, ExitSource, State
from operations import batch_cards
from operations import rows as operation_rows
from operations.models import Operation

FILTERS = (
    ("all", "All"),
    ("running", "Running"),
    ("attention", "Needs attention"),
    ("stopped", "Stopped"),
    ("changing", "In transition"),
    ("scheduled", "Scheduled"),
)
OFTEN_EMPTY = frozenset({"scheduled"})
"""Filters that are shown only where there is something to filter."""
COLUMNS = (
    # sort key, heading, is it a number
    ("name", "Service", False),
    ("state", "State", False),
    ("health", "Health", False),
    ("since", "Since", True),
    ("restarts", "Restarts", True),
    ("cpu", "CPU", True),
    ("memory", "Memory", True),
    ("port", "Port", True),
    ("pid", "PID", True),
)
VERBS = ("start", "stop", "restart", "recover", "tail", "change")
# What a row that is made in the browser is copied from.
BLANK_ROW: dict[str, Any] = {"key": "_", "state": "UNKNOWN", "health": "unknown", "shown": True}
HISTORY_LENGTH = 50
RUNS_LENGTH = 20
OPERATIONS_LENGTH = 8


@staff_page("view", Service)
def services(request: HttpRequest) -> HttpResponse:
    """Show all services. The same number of queries however many there are."""
    snapshot = services_snapshot(user=request.user)
    items = snapshot["items"]
    wrong = troubles(items)
    show = request.GET.get("show", "all")
    if show not in dict(FILTERS):
        show = "all"
    search = request.GET.get("q", "").strip()
    rows = [_row(item, wrong, show, search) for item in items]
    _tell_of_copies(rows)
    context = {
        "place": "services",
        "sentence": sentence(items, snapshot["nodes"], wording.local_clock),
        "nodes": snapshot["nodes"],
        "groups": _grouped(rows),
        "row_count": len(rows),
        "nothing_shown": bool(rows) and not any(row["shown"] for row in rows),
        "trouble_count": len(wrong),
        "filters": [
            {
                "name": name,
                "label": label,
                "count": (count := _count(rows, name)),
                "active": name == show,
                "hidden": name in OFTEN_EMPTY and not count and name != show,
            }
            for name, label in FILTERS
        ],
        "blank": BLANK_ROW,
        "blank_batch": batch_cards.BLANK,
        "columns": COLUMNS,
        "search": search,
        "show": show,
        "may_add": may(request.user, "add", Service),
        "page_data": {
            "snapshot": snapshot,
            "batches": batch_cards.script_data(request.user),
            **_page_data(request, "service", "operation", "batch", "node", "connection"),
        },
    }
    return render(request, "monitoring/services.html", context)


@staff_page("view", Service)
def service(request: HttpRequest, key: str) -> HttpResponse:
    """Show one service: what it does, its log, its history and its declaration. Raises Http404."""
    if "\0" in key:  # PostgreSQL refuses it in a comparison
        raise Http404
    row = get_object_or_404(Service.objects.visible_to(request.user).for_display(), key=key)
    neighbours = Q(service=row) | Q(needs=row)
    pairs = Dependency.objects.filter(neighbours).values_list("service_id", "needs_id")
    copies = Service.objects.filter(
        Q(instance_of=row.instance_of_id or row.pk) | Q(pk=row.instance_of_id or row.pk)
    )
    around = {pk for pair in pairs for pk in pair} | set(copies.values_list("pk", flat=True))
    snapshot = services_snapshot(Service.objects.filter(pk__in=around), user=request.user)
    item = next((item for item in snapshot["items"] if item["key"] == key), None)
    if item is None:
        raise Http404(f"The service {key} has just been deleted.")
    by_key = {other["key"]: other for other in snapshot["items"]}
    original = row.original_key
    transitions = list(row.transitions.all()[:HISTORY_LENGTH])
    requesters = dict(
        Operation.objects.filter(pk__in=[t.operation_id for t in transitions if t.operation_id]).values_list(
            "pk", "requester"
        )
    )
    wrong = troubles(snapshot["items"])
    asked = operation_rows.latest("service", key, OPERATIONS_LENGTH, request.user)
    context = {
        "place": "services",
        "item": _row(item, wrong, "all", ""),
        "service": row,
        "subjects": declared.subjects(row),
        "monospaced": declared.MONOSPACED,
        "environment": declared.environment(row),
        "needs": [by_key[needed] for needed in item["needs"] if needed in by_key],
        "copies": sorted(
            (other for other in snapshot["items"] if original in (other["key"], other["instance_of"])),
            key=lambda other: int(other["instance"]),
        ),
        "needed_by": [other for other in snapshot["items"] if key in other["needs"]],
        "transitions": [
            wording.change(t.public(), requesters.get(t.operation_id or 0, "")) for t in transitions
        ],
        "blank_change": {"id": 0},
        "runs": [_run(run) for run in row.runs.all()[:RUNS_LENGTH]],
        "operations": [operation_rows.row(one) for one in asked],
        "blank_operation": operation_rows.BLANK,
        "trouble_count": len(wrong),
        "may_change": may(request.user, "change", row),
        "may_tail": may(request.user, "tail", row),
        "page_data": {
            "snapshot": snapshot,
            "service": key,
            "operations": [one.public() for one in asked],
            "operations_limit": OPERATIONS_LENGTH,
            **operation_rows.script_data(request.user),
            **_page_data(request, "service", "operation", "node", "connection"),
        },
    }
    return render(request, "monitoring/service.html", context)


@staff_page("view", Connection)
def connections(request: HttpRequest) -> HttpResponse:
    """Show who is watching. One query for the rows, whatever their number."""
    event_id = last_event_id()
    data = _page_data(request, "connection")
    data["may"] = {verb: may(request.user, verb, Connection) for verb in ("kick", "probe")}
    context = {
        "place": "connections",
        "rows": connection_rows.rows(timezone.now()),
        "blank": connection_rows.BLANK,
        "columns": connection_rows.COLUMNS,
        "facts": connection_rows.FACTS,
        "breakdowns": connection_rows.BREAKDOWNS,
        "page_data": {
            "last_event_id": event_id,
            "kind_words": connection_rows.KINDS,
            "other_kind": connection_rows.OTHER_KIND,
            **data,
        },
    }
    return render(request, "monitoring/connections.html", context)


def _page_data(request: HttpRequest, *wanted: str) -> dict[str, Any]:
    return {
        "topics": sorted(topics.visible(request.user, wanted)),
        "may": {verb: may(request.user, verb, Service) for verb in VERBS},
        "reach": reach_of(request.user),
        "reason_words": {reason.value: words for reason, words in REASON_WORDS.items()},
    }


def _row(item: dict[str, Any], wrong: dict[str, str], show: str, search: str) -> dict[str, Any]:
    kinds = bucket(item, wrong)
    haystack = f"{item['name']} {item['key']} {item['group']} {item['node']}".lower()
    return {
        **item,
        "buckets": kinds,
        "shown": (show == "all" or show in kinds) and search.lower() in haystack,
        "words": wording.row(item, wrong.get(item["key"], ""), timezone.now()),
    }


def _tell_of_copies(rows: list[dict[str, Any]]) -> None:
    """Let the first of several copies say how many of them run."""
    copies: dict[str, list[bool]] = {}
    for row in rows:
        if row["instance_of"] or row["instances"] > 1:
            copies.setdefault(row["instance_of"] or row["key"], []).append(row["state"] == State.RUNNING)
    for row in rows:
        if row["key"] in copies:
            running = copies[row["key"]]
            row["words"]["copies"] = wording.copies(sum(running), len(running))


def _run(run: Run) -> dict[str, Any]:
    return {
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "pid": run.pid,
        "why": wording.reason_words(run.reason),
        "how": wording.run_end(run.exit_code, run.exit_signal, run.end_reason),
        "told_by": EXIT_SOURCE_WORDS[ExitSource(run.exit_source)] if run.exit_source else "",
    }


def _count(rows: list[dict[str, Any]], name: str) -> int:
    return len(rows) if name == "all" else sum(name in row["buckets"] for row in rows)


def _grouped(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    groups: dict[tuple[bool, str], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["builtin"], row["group"]), []).append(row)
    return [
        {
            "label": "medimgr itself" if builtin else name or ("Other services" if len(groups) > 1 else ""),
            "rows": members,
            "shown": any(row["shown"] for row in members),
            "rollup": wording.rollup(
                _count(members, "running"), len(members), sum(rests(member) for member in members)
            ),
        }
        for (builtin, name), members in groups.items()
    ]
