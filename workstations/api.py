"""The JSON API for workstations: what is declared and what is known of them. Actions: ``action_api``."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.models import Count, Q
from django.http import HttpRequest
from ninja import Query, Router
from ninja.responses import Status as Answer

from medimgr.events.log import last_event_id
from medimgr.lib.access import Person, demand, may
from medimgr.lib.api_parameters import Page, RowId
from operations.auditing import record_act
from operations.request_origin import requester_of
from workstations import schemas
from workstations.declaring import declare, redeclare
from workstations.exceptions import UnknownWorkstation
from workstations.models import Change, Emulator, Workstation
from workstations.tags import tagged

router = Router(tags=["workstations"])
_OF_THE_DETAIL = ("system", "host_check")


def workstation_called(workstation_id: int, user: Person) -> Workstation:
    """Return the workstation if ``user`` may know of it.

    Raises UnknownWorkstation. One query, and those for the user's scope.
    """
    row = Workstation.objects.visible_to(user).filter(pk=workstation_id).first()
    if row is None:
        raise UnknownWorkstation(
            f"There is no workstation {workstation_id}. GET /api/workstations lists them."
        )
    return row


@router.get("", response=schemas.WorkstationList, summary="All workstations and how they are")
def list_workstations(request: HttpRequest, wanted: Query[schemas.WorkstationFilter]) -> dict[str, Any]:
    """By name. Four queries at most, however many there are."""
    demand(request.user, "view", Workstation)
    event_id = last_event_id()
    rows = _filtered(request, wanted)
    items = list(wanted.cut(rows))
    states = _states(request, items)
    return {
        "count": rows.count(),
        "items": [
            {name: value for name, value in row.public().items() if name not in _OF_THE_DETAIL}
            | {"emulators": states[row.pk]}
            for row in items
        ],
        "last_event_id": event_id,
    }


@router.post("", response={201: schemas.WorkstationDetail}, summary="Declare one")
def declare_workstation(request: HttpRequest, declaration: schemas.NewWorkstation) -> Answer[dict[str, Any]]:
    """It is looked after from then on, unless ``polled`` is false."""
    demand(request.user, "add", Workstation)
    with transaction.atomic():
        made = declare(declaration.fields(), declaration.secret() or "", by=request.user)
        _record(request, "workstation.declare", made)
    return Answer(201, _detail(request, made))


@router.get("/{workstation_id}", response=schemas.WorkstationDetail, summary="One workstation")
def one_workstation(request: HttpRequest, workstation_id: RowId) -> dict[str, Any]:
    """With its whole declaration, what it said of itself and its last check. Never its password."""
    demand(request.user, "view", Workstation)
    return _detail(request, workstation_called(workstation_id, request.user))


@router.patch("/{workstation_id}", response=schemas.WorkstationDetail, summary="Change its declaration")
def change_workstation(
    request: HttpRequest, workstation_id: RowId, declaration: schemas.Declaration
) -> dict[str, Any]:
    """What is not said stays as it is."""
    demand(request.user, "change", Workstation)
    with transaction.atomic():
        changed = redeclare(workstation_id, declaration.fields(), declaration.secret(), by=request.user)
        # Names alone: a password is among what may be said.
        said = [*declaration.fields(), *([] if declaration.secret() is None else ["password"])]
        _record(request, "workstation.change", changed, f"Said: {', '.join(said)}." if said else "")
    return _detail(request, changed)


@router.delete("/{workstation_id}", response={204: None}, summary="Forget it")
def forget_workstation(request: HttpRequest, workstation_id: RowId) -> Answer[None]:
    """With its emulators and history here. On the workstation itself nothing changes."""
    demand(request.user, "delete", Workstation)
    workstation = workstation_called(workstation_id, request.user)
    demand(request.user, "delete", workstation)
    with transaction.atomic():
        _record(request, "workstation.delete", workstation)
        workstation.delete()
    return Answer(204, None)


def _record(request: HttpRequest, action: str, workstation: Workstation, detail: str = "") -> None:
    target = f"workstation:{workstation.pk}"
    record_act(requester_of(request, "api"), action, target=target, name=workstation.name, detail=detail)


@router.get("/{workstation_id}/system-info", response=schemas.SystemShape, summary="What it said of itself")
def system_info(request: HttpRequest, workstation_id: RowId) -> dict[str, Any]:
    """As it was last read; POST reads it again."""
    demand(request.user, "view", Workstation)
    return {"system": workstation_called(workstation_id, request.user).system}


@router.get("/{workstation_id}/emulators", response=schemas.EmulatorList, summary="Its emulators")
def emulators_of(request: HttpRequest, workstation_id: RowId, page: Query[Page]) -> dict[str, Any]:
    """As its list was last read, by index. Four queries."""
    demand(request.user, "view", Emulator)
    event_id = last_event_id()
    rows = workstation_called(workstation_id, request.user).emulators.all()
    items = [row.public() for row in page.cut(rows)]
    return {"count": rows.count(), "items": items, "last_event_id": event_id}


@router.get("/{workstation_id}/history", response=schemas.SeenChanges, summary="What has changed there")
def history(request: HttpRequest, workstation_id: RowId, page: Query[Page]) -> dict[str, Any]:
    """Of it and its emulators, newest first. Three queries."""
    demand(request.user, "view", Change)
    rows = workstation_called(workstation_id, request.user).changes.all()
    return {"count": rows.count(), "items": [row.public() for row in page.cut(rows)]}


def _filtered(request: HttpRequest, wanted: schemas.WorkstationFilter) -> Any:
    rows = Workstation.objects.visible_to(request.user).defer("ca_certificates", "password_sealed")
    if wanted.status is not None:
        rows = rows.filter(status=wanted.status)
    if wanted.polled is not None:
        rows = rows.filter(polled=wanted.polled)
    if wanted.search:
        rows = rows.filter(Q(name__icontains=wanted.search) | Q(host__icontains=wanted.search))
    if wanted.tag:
        rows = rows.filter(pk__in=tagged(wanted.tag, request.user))
    return rows


def _states(request: HttpRequest, workstations: Iterable[Workstation]) -> dict[int, Counter[str]]:
    """Return how many emulators of each workstation are in which state. One query."""
    found: dict[int, Counter[str]] = {row.pk: Counter() for row in workstations}
    if may(request.user, "view", Emulator):
        counted = (
            Emulator.objects.filter(workstation__in=found).order_by().values_list("workstation", "state")
        )
        for owner, state, count in counted.annotate(count=Count("pk")):
            found[owner][state] = count
    return found


def _detail(request: HttpRequest, row: Workstation) -> dict[str, Any]:
    event_id = last_event_id()
    states = _states(request, [row])
    return schemas.described(row) | {"emulators": states[row.pk], "last_event_id": event_id}
