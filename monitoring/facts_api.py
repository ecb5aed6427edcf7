"""The JSON API for what the pages tell of services beside their state: declarations, runs, machines."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Query, Router
from pydantic import BaseModel, Field

from medimgr.lib.access import demand
from medimgr.lib.api_parameters import Page, Text
from medimgr.lib.units import iso
from monitoring import declared
from monitoring.api import service_called
from monitoring.importers.toml_writing import export_services
from monitoring.models import Node, Run, Service
from monitoring.schemas import NodeShape
from monitoring.states import ExitSource, Reason

exports = Router(tags=["services"])
"""Of a path that would be taken for a key otherwise: to be added before ``router``."""
router = Router(tags=["services"])
nodes = Router(tags=["services"])


class FactShape(BaseModel):
    """One thing that is declared, in words."""

    label: str
    words: str


class SubjectShape(BaseModel):
    """What is declared about one subject."""

    subject: str
    facts: list[FactShape]


class DeclarationShape(BaseModel):
    """A declaration as people read it. The values of the environment are nobody's business."""

    service: str
    subjects: list[SubjectShape]
    environment: list[str] = Field(description="Names of variables.")
    needs: list[str] = Field(description="Keys of the services that it waits for.")


class RunShape(BaseModel):
    """One life of a service's process."""

    run_id: str
    node: str
    pid: int | None
    reason: Reason = Field(description="Why it was started.")
    started_at: str
    ready_at: str | None
    ended_at: str | None = Field(description="null: it runs.")
    exit_code: int | None
    exit_signal: str
    exit_source: ExitSource | None = Field(description="Who told how it ended; null: nobody yet.")
    end_reason: Reason | None
    log_offset: int = Field(description="Where its lines begin in the log: GET .../log?offset=")


class RunList(BaseModel):
    """The lives of a service's process, newest first."""

    count: int
    items: list[RunShape]


class NodeList(BaseModel):
    """Machines with supervisors, by name."""

    count: int
    items: list[NodeShape]


@exports.get("/export", summary="Their declarations as a file")
def export(request: HttpRequest, node: Text = "", group: Text | None = None) -> HttpResponse:
    """As TOML, which import reads; without the values of variables that look like secrets.

    It takes the permission to change services: the values of other variables are in it. Five queries at most.
    """
    demand(request.user, "change", Service)
    rows = Service.objects.reached_by(request.user).order_by("group", "priority", "key")
    if node:
        rows = rows.on(node)
    if group is not None:
        rows = rows.filter(group=group)
    response = HttpResponse(
        export_services(rows, without_secrets=True), content_type="application/toml; charset=utf-8"
    )
    response["Content-Disposition"] = 'attachment; filename="services.toml"'
    return response


@router.get("/{key}/declaration", response=DeclarationShape, summary="What is declared of it, in words")
def declaration(request: HttpRequest, key: str) -> dict[str, Any]:
    """As its page shows it. Two queries."""
    demand(request.user, "view", Service)
    service = service_called(key, request.user)
    needs = service.dependencies.visible_to(request.user).values_list("needs__key", flat=True)
    return {
        "service": service.key,
        "subjects": [
            {
                "subject": subject,
                "facts": [{"label": label, "words": words} for label, words in facts],
            }
            for subject, facts in declared.subjects(service)
        ],
        "environment": [name for name, _ in declared.environment(service)],
        "needs": sorted(needs),
    }


@router.get("/{key}/runs", response=RunList, summary="The lives of its process")
def runs(request: HttpRequest, key: str, page: Query[Page]) -> dict[str, Any]:
    """Newest first. Three queries."""
    demand(request.user, "view", Service)
    found = Run.objects.filter(service=service_called(key, request.user))
    rows = found.order_by("-started_at", "-run_id")
    return {"count": rows.count(), "items": [_run(row) for row in page.cut(rows)]}


@nodes.get("", response=NodeList, summary="Machines with supervisors")
def list_nodes(request: HttpRequest, page: Query[Page]) -> dict[str, Any]:
    """By name, with when their supervisors were last heard of. Two queries."""
    demand(request.user, "view", Node)
    now = timezone.now()
    rows = Node.objects.order_by("name")
    return {"count": rows.count(), "items": [row.public(now) for row in page.cut(rows)]}


def _run(row: Run) -> dict[str, Any]:
    return {
        "run_id": str(row.run_id),
        "node": row.node,
        "pid": row.pid,
        "reason": row.reason,
        "started_at": iso(row.started_at),
        "ready_at": iso(row.ready_at),
        "ended_at": iso(row.ended_at),
        "exit_code": row.exit_code,
        "exit_signal": row.exit_signal,
        "exit_source": row.exit_source or None,
        "end_reason": row.end_reason or None,
        "log_offset": row.log_offset,
    }
