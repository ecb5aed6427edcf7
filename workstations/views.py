"""The pages of workstations. The first byte carries what is known; the stream goes on from there."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from medimgr.events import topics
from medimgr.lib.access import may, reach_of
from medimgr.lib.staff_page import staff_page
from operations import batch_cards
from operations import rows as operation_rows
from operations.models import Operation
from workstations import fleet_page, rows, workstation_page
from workstations.attention import sentence, troubles
from workstations.ldplayer.names import LONGEST_TITLE
from workstations.ldplayer.values import MEMORY_MB, PROCESSORS
from workstations.models import Emulator, Workstation

HISTORY_LENGTH = 50
OPERATIONS_LENGTH = 10
WORKSTATION_VERBS = ("test", "check", "scan", "add_emulator", "change")
EMULATOR_VERBS = ("launch", "stop", "restart", "rename", "clone", "modify", "remove", "install")
TOPICS = ("workstation", "emulator", "operation", "batch", "connection")
# Past ids that no database can compare with, there is nothing.
_LARGEST_ID = 2**63 - 1


@staff_page("view", Workstation)
def workstations(request: HttpRequest) -> HttpResponse:
    """Show all workstations with their emulators. The same number of queries however many there are."""
    snapshot = rows.fleet_snapshot(request.user)
    selection = fleet_page.Selection.read(request.GET)
    items = snapshot["items"]
    wrong = troubles(items)
    hosts = fleet_page.hosts(items, wrong, selection, timezone.now())
    context = {
        "place": "workstations",
        "sentence": sentence(items),
        "hosts": hosts,
        "nothing_shown": bool(hosts) and not any(host["shown"] for host in hosts),
        "trouble_count": len(wrong),
        "status_filters": fleet_page.status_filters(items, wrong, selection),
        "state_filters": fleet_page.state_filters(items, selection),
        "tags": fleet_page.tags(items, selection),
        "selection": selection,
        "blank": fleet_page.BLANK,
        "blank_batch": batch_cards.BLANK,
        "may_add": may(request.user, "add", Workstation),
        "page_data": {
            "snapshot": snapshot,
            "batches": batch_cards.script_data(request.user),
            **_page_data(request),
        },
    }
    return render(request, "workstations/list.html", context)


@staff_page("view", Workstation)
def workstation(request: HttpRequest, pk: str) -> HttpResponse:
    """Show one workstation: state, emulators, operations, system, check and history. Raises Http404."""
    row = _found(request, pk)
    snapshot = rows.workstation_snapshot(row, request.user)
    (item,) = snapshot["items"]
    now = timezone.now()
    wrong = troubles([item])
    asked = _latest_operations(request, row, item)
    context = {
        "place": "workstations",
        "workstation": row,
        "item": rows.row(item, wrong, now),
        "emulators": [workstation_page.emulator(one, now) for one in item["emulators"]],
        "blank": workstation_page.BLANK_EMULATOR,
        **_panels(row),
        "longest_title": LONGEST_TITLE,
        "processors": PROCESSORS,
        "memory_sizes": MEMORY_MB,
        "operations": [operation_rows.row(one, now) for one in asked],
        "blank_operation": operation_rows.BLANK,
        "blank_batch": batch_cards.BLANK,
        "trouble_count": len(wrong),
        "may_change": may(request.user, "change", row),
        "page_data": {
            "snapshot": snapshot,
            "workstation": row.pk,
            "operations": [one.public() for one in asked],
            "operations_limit": OPERATIONS_LENGTH,
            "batches": batch_cards.script_data(request.user),
            **operation_rows.script_data(request.user),
            **_page_data(request),
        },
    }
    return render(request, "workstations/workstation.html", context)


@staff_page("view", Workstation)
def fleet_data(request: HttpRequest) -> HttpResponse:
    """Return the snapshot of the list as JSON, for a page that has missed events."""
    return JsonResponse(rows.fleet_snapshot(request.user))


@staff_page("view", Workstation)
def workstation_data(request: HttpRequest, pk: str) -> HttpResponse:
    """Return the snapshot of one workstation as JSON, with its newest operations. Raises Http404."""
    row = _found(request, pk)
    snapshot = rows.workstation_snapshot(row, request.user)
    asked = _latest_operations(request, row, snapshot["items"][0])
    return JsonResponse(snapshot | {"latest": [one.public() for one in asked]})


@staff_page("view", Workstation)
def workstation_panels(request: HttpRequest, pk: str) -> HttpResponse:
    """Return what of one workstation's page is read anew as a whole where it has changed. Raises Http404."""
    return render(request, "workstations/panels.html", _panels(_found(request, pk)))


@staff_page("view", Emulator)
def emulator(request: HttpRequest, pk: str) -> HttpResponse:
    """Lead to an emulator on the page of its workstation. Raises Http404."""
    found = Emulator.objects.visible_to(request.user).filter(pk=_id(pk)).only("workstation_id").first()
    if found is None:
        raise Http404("There is no such emulator: it was deleted, or its workstation was.")
    address = reverse("workstations:workstation", args=[found.workstation_id])
    return HttpResponseRedirect(f"{address}#emulator-{found.pk}")


def _panels(row: Workstation) -> dict[str, Any]:
    return {
        "figures": workstation_page.figures(row.system),
        "facts": workstation_page.facts(row.system),
        "check": workstation_page.check(row.host_check),
        "history": [workstation_page.change(one.public()) for one in row.changes.all()[:HISTORY_LENGTH]],
    }


def _found(request: HttpRequest, pk: str) -> Workstation:
    row = Workstation.objects.visible_to(request.user).filter(pk=_id(pk)).first()
    if row is None:
        raise Http404("There is no such workstation.")
    return row


def _id(text: str) -> int:
    """Return the number that ``text`` is. Raises Http404."""
    if not (text.isascii() and text.isdigit() and int(text[:20]) <= _LARGEST_ID):
        raise Http404
    return int(text[:20])


def _latest_operations(request: HttpRequest, row: Workstation, item: dict[str, Any]) -> list[Operation]:
    if not may(request.user, "view", Operation):
        return []
    every = rows.operations_of(row, [one["id"] for one in item["emulators"]])
    return list(every.visible_to(request.user).order_by("-id")[:OPERATIONS_LENGTH])


def _page_data(request: HttpRequest) -> dict[str, Any]:
    return {
        "topics": sorted(topics.visible(request.user, TOPICS)),
        "reach": reach_of(request.user),
        "may": {
            "workstation": {verb: may(request.user, verb, Workstation) for verb in WORKSTATION_VERBS},
            "emulator": {verb: may(request.user, verb, Emulator) for verb in EMULATOR_VERBS},
        },
    }
