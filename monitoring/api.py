"""The JSON API for services. Reads what the supervisors report; actions only enqueue operations."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router
from ninja.responses import Status as Answer

from medimgr.lib.access import Person, demand
from medimgr.lib.api_parameters import IdempotencyKey, Page, Text
from medimgr.lib.units import clock
from monitoring import declared, schemas
from monitoring.actions import Refusal, Verb, request_action, request_actions
from monitoring.exceptions import UnknownNode, UnknownService
from monitoring.models import Node, Service, Transition
from monitoring.scaling import scale
from monitoring.snapshot import services_snapshot
from monitoring.states import LIVE
from operations.request_origin import requester_of
from operations.schemas import OperationAnswer

router = Router(tags=["services"])
status_router = Router(tags=["status"])

PERMISSION_OF_VERB: dict[Verb, str] = {
    "start": "start",
    "stop": "stop",
    "restart": "restart",
    "auto-recovery-on": "recover",
    "auto-recovery-off": "recover",
}


def service_called(key: str, user: Person) -> Service:
    """Return the service with its node and status, if ``user`` may know of it.

    Raises UnknownService. One query, and those for the user's scope.
    """
    # PostgreSQL refuses a NUL in a comparison; no key holds one anyway.
    rows = Service.objects.none() if "\0" in key else Service.objects.visible_to(user)
    try:
        return rows.select_related("node", "status").get(key=key)
    except Service.DoesNotExist:
        raise UnknownService(
            f"There is no service with the key {key!r}. GET /api/services lists them."
        ) from None


@router.get("", response=schemas.ServiceList, summary="All services with their live figures")
def list_services(request: HttpRequest, wanted: Query[schemas.ServiceFilter]) -> dict[str, Any]:
    """By group, priority and key, medimgr's own last. Seven queries, however many services there are."""
    demand(request.user, "view", Service)
    rows = Service.objects.all()
    if wanted.group is not None:
        rows = rows.filter(group=wanted.group)
    if wanted.node is not None:
        rows = rows.on(wanted.node)
    snapshot = services_snapshot(rows, user=request.user)
    # The state that is shown can differ from the stored one (UNKNOWN), so it is filtered here.
    items = [
        item
        for item in snapshot["items"]
        if (wanted.state is None or item["state"] == wanted.state)
        and (wanted.health is None or item["health"] == wanted.health)
    ]
    return snapshot | {"count": len(items), "items": items[wanted.offset : wanted.offset + wanted.limit]}


@router.post("/batch", response={202: schemas.ServiceBatchAnswer}, summary="One action on many services")
def act_on_many(
    request: HttpRequest, asked: schemas.ServiceBatchAsked, idempotency_key: IdempotencyKey
) -> Answer[dict[str, Any]]:
    """Each service gets an operation or a refusal with its reason; one that is busy holds up no other."""
    demand(request.user, PERMISSION_OF_VERB[asked.action], Service)
    keys = list(dict.fromkeys(asked.services))
    seen = Service.objects.visible_to(request.user).select_related("node", "status")
    found = seen.in_bulk(keys, field_name="key")
    outcome = request_actions(
        (found[key] for key in keys if key in found),
        asked.action,
        requester_of(request, "api"),
        force=asked.force,
        rolling=asked.rolling,
        reason=asked.reason,
        idempotency_key=idempotency_key or "",
        strangers=(key for key in keys if key not in found),
    )
    body = {
        "batch": outcome.batch,
        "operations": [operation.public() for operation in outcome.operations],
        "refused": [_refusal(refusal) for refusal in outcome.refused],
        "state": outcome.state,
    }
    return Answer(202, body)


def _refusal(refusal: Refusal) -> dict[str, str]:
    return {"service": refusal.service, "code": refusal.code, "detail": refusal.detail}


@router.get("/{key}", response=schemas.ServiceDetail, summary="One service")
def one_service(request: HttpRequest, key: str) -> dict[str, Any]:
    """What the list says about it. Six queries."""
    demand(request.user, "view", Service)
    service = service_called(key, request.user)
    snapshot = services_snapshot(Service.objects.filter(pk=service.pk), user=request.user)
    if not snapshot["items"]:
        raise UnknownService(f"The service {key!r} has just been deleted.")
    return {
        **snapshot["items"][0],
        "limits": declared.limits(service),
        "last_event_id": snapshot["last_event_id"],
    }


@router.get("/{key}/history", response=schemas.Transitions, by_alias=True, summary="Its changes of state")
def history(request: HttpRequest, key: str, page: Query[Page]) -> dict[str, Any]:
    """Newest first. Three queries."""
    demand(request.user, "view", Service)
    rows = Transition.objects.filter(service=service_called(key, request.user))
    return {"count": rows.count(), "items": [row.public() for row in page.cut(rows)]}


def _accept(
    request: HttpRequest,
    key: str,
    verb: Verb,
    asked: schemas.ServiceAsked | None,
    idempotency_key: str | None,
) -> Answer[dict[str, Any]]:
    demand(request.user, PERMISSION_OF_VERB[verb], Service)
    operation = request_action(
        service_called(key, request.user),
        verb,
        requester_of(request, "api"),
        force=isinstance(asked, schemas.StopAsked) and asked.force,
        rolling=isinstance(asked, schemas.RestartAsked) and asked.rolling,
        reason=asked.reason if asked else "",
        idempotency_key=idempotency_key or "",
    )
    return Answer(202, schemas.operation_answer(operation))


@router.post("/{key}/start", response={202: OperationAnswer}, summary="Start it")
def start(
    request: HttpRequest,
    key: str,
    idempotency_key: IdempotencyKey,
    asked: schemas.ServiceAsked | None = None,
) -> Answer[dict[str, Any]]:
    """It waits for what it needs first."""
    return _accept(request, key, "start", asked, idempotency_key)


@router.post("/{key}/stop", response={202: OperationAnswer}, summary="Stop it")
def stop(
    request: HttpRequest,
    key: str,
    idempotency_key: IdempotencyKey,
    asked: schemas.StopAsked | None = None,
) -> Answer[dict[str, Any]]:
    """It stays down until somebody starts it, over reboots too. A second one while it stops kills it."""
    return _accept(request, key, "stop", asked, idempotency_key)


@router.post("/{key}/restart", response={202: OperationAnswer}, summary="Restart it")
def restart(
    request: HttpRequest,
    key: str,
    idempotency_key: IdempotencyKey,
    asked: schemas.RestartAsked | None = None,
) -> Answer[dict[str, Any]]:
    """Stop and start; the same as start where it does not run."""
    return _accept(request, key, "restart", asked, idempotency_key)


@router.post("/{key}/scale", response=schemas.Scaled, summary="Change how many copies run")
def scale_service(request: HttpRequest, key: str, asked: schemas.ScaleAsked) -> dict[str, Any]:
    """The declaration changes at once; its supervisor starts and stops what came and went."""
    demand(request.user, "change", Service)
    service = service_called(key, request.user)
    demand(request.user, "change", service)
    scaled = scale(service.key, asked.instances)
    return {
        "service": scaled.service.key,
        "instances": scaled.service.instances,
        "services": scaled.keys,
        "added": scaled.added,
        "removed": scaled.removed,
    }


@router.post("/{key}/auto-recovery", response={202: OperationAnswer}, summary="Auto-recovery on or off")
def auto_recovery(
    request: HttpRequest, key: str, idempotency_key: IdempotencyKey, asked: schemas.AutoRecoveryAsked
) -> Answer[dict[str, Any]]:
    """Whether the supervisor restarts it by itself."""
    verb: Verb = "auto-recovery-on" if asked.enabled else "auto-recovery-off"
    return _accept(request, key, verb, asked, idempotency_key)


@status_router.get("", response=schemas.NodeStatus, summary="One node in a few words")
def status(request: HttpRequest, node: Text = "") -> dict[str, Any]:
    """This machine's node, unless ``node`` names another."""
    demand(request.user, "view", Service)
    name = node or settings.MEDIMGR_NODE
    now = timezone.now()
    row = Node.objects.filter(name=name).first()
    if row is None and node:
        raise UnknownNode(f"There is no node called {node!r}.")
    supervised = row is not None and row.is_supervised(now)
    started = row.started_at if row is not None and supervised else None
    return {
        "node": name,
        "supervised": supervised,
        "uptime": clock((now - started).total_seconds() if started else 0),
        "services": {
            item["key"]: _in_a_few_words(item, now)
            for item in services_snapshot(Service.objects.on(name), user=request.user)["items"]
        },
    }


def _in_a_few_words(item: dict[str, Any], now: datetime) -> dict[str, Any]:
    alive = item["state"] in LIVE and item["process_started_at"] is not None
    running_for = now - datetime.fromisoformat(item["process_started_at"]) if alive else None
    return {
        "name": item["name"],
        "status": item["state"],
        "health": item["health"],
        "cpu": item["cpu_percent"],
        "mem": item["memory_mb"],
        "pid": item["pid"] if alive else None,
        "uptime": clock(running_for.total_seconds()) if running_for is not None else None,
    }
