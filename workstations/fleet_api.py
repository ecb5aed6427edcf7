"""``/api/workstations/import`` and ``export``: the fleet as a TOML file, without secrets."""

from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from ninja import Router
from pydantic import BaseModel, Field

from medimgr.lib.access import demand, demand_everywhere, may_everywhere
from medimgr.lib.api_parameters import Text
from medimgr.lib.request_problems import TooLarge
from operations.auditing import record_import
from operations.request_origin import requester_of
from workstations.fleet_file import reading
from workstations.fleet_file.saving import import_fleet
from workstations.fleet_file.writing import export_fleet
from workstations.models import Workstation
from workstations.tags import tagged

router = Router(tags=["workstations"])
LARGEST_BODY = 1024 * 1024


class FieldChange(BaseModel):
    """One field that differs."""

    field: str
    old: Any
    new: Any


class WorkstationChange(BaseModel):
    """What the import does to one workstation."""

    name: str
    what: str = Field(description="created, changed or unchanged")
    fields: list[FieldChange]


class FleetImported(BaseModel):
    """What an import did or, in a dry run, would do."""

    dry_run: bool
    workstations: list[WorkstationChange]
    left_alone: list[str] = Field(description="Declared, but not in the file: they stay as they are.")
    without_password: list[str] = Field(description="Of those in the file.")


_BODY = {"requestBody": {"required": True, "content": {"text/plain": {"schema": {"type": "string"}}}}}


@router.post("/import", response=FleetImported, summary="Declare them from a file", openapi_extra=_BODY)
def import_workstations(request: HttpRequest, dry_run: bool = False) -> dict[str, Any]:
    """The body is the file's text. All of it or nothing; workstations that it does not name stay."""
    if not any(may_everywhere(request.user, verb, Workstation) for verb in ("add", "change")):
        demand_everywhere(request.user, "add", Workstation)
    length = request.headers.get("Content-Length", "")
    if (length.isdigit() and int(length) > LARGEST_BODY) or len(request.body) > LARGEST_BODY:
        raise TooLarge(f"The file is larger than {LARGEST_BODY // 1024} KiB. Import it in parts.")
    fleet = reading.read("the body", reading.decoded("the body", request.body))
    with transaction.atomic():
        done = import_fleet(
            fleet, dry_run=dry_run, allow=lambda verb: demand_everywhere(request.user, verb, Workstation)
        )
        if not dry_run:
            record_import(requester_of(request, "api"), "workstations", done.by_name())
    return {
        "dry_run": done.dry_run,
        "workstations": [change.public() for change in done.changes],
        "left_alone": done.left_alone,
        "without_password": done.without_password,
    }


@router.get("/export", summary="Their declarations as such a file")
def export_workstations(request: HttpRequest, tag: Text = "") -> HttpResponse:
    """As TOML, without passwords; importing it changes nothing."""
    demand(request.user, "view", Workstation)
    rows = Workstation.objects.visible_to(request.user)
    if tag:
        rows = rows.filter(pk__in=tagged(tag, request.user))
    response = HttpResponse(export_fleet(rows), content_type="application/toml; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="workstations.toml"'
    return response
