"""The JSON API for emulators: what is known of them, and actions, which only enqueue operations."""

from typing import Any

from django.http import HttpRequest
from ninja import Query, Router
from ninja.responses import Status as Answer

from medimgr.events.log import last_event_id
from medimgr.lib.access import Person, demand
from medimgr.lib.api_parameters import IdempotencyKey, Page, RowId
from operations.request_origin import requester_of
from operations.schemas import OperationAnswer
from workstations import schemas
from workstations.action_api import accepted, accepted_many
from workstations.action_schemas import (
    Asked,
    InstallAsked,
    ManyAnswer,
    ManyEmulators,
    ModifyAsked,
    TitleAsked,
)
from workstations.actions import EmulatorVerb, chosen_emulators, request_action, request_actions
from workstations.exceptions import UnknownEmulator
from workstations.models import Change, Emulator
from workstations.tags import tagged

router = Router(tags=["emulators"])
RIGHT_OF_VERB: dict[EmulatorVerb, str] = {
    "start": "launch",
    "stop": "stop",
    "restart": "restart",
    "rename": "rename",
    "clone": "clone",
    "modify": "modify",
    "delete": "remove",
    "install-app": "install",
}


def emulator_called(emulator_id: int, user: Person) -> Emulator:
    """Return the emulator with its workstation, if ``user`` may know of it.

    Raises UnknownEmulator. One query, and those for the user's scope.
    """
    rows = Emulator.objects.visible_to(user).select_related("workstation")
    row = rows.filter(pk=emulator_id).first()
    if row is None:
        raise UnknownEmulator(f"There is no emulator {emulator_id}. GET /api/emulators lists them.")
    return row


@router.get("", response=schemas.EmulatorList, summary="All emulators")
def list_emulators(request: HttpRequest, wanted: Query[schemas.EmulatorFilter]) -> dict[str, Any]:
    """By workstation and index, as their lists were last read. Four queries at most."""
    demand(request.user, "view", Emulator)
    event_id = last_event_id()
    rows = Emulator.objects.visible_to(request.user)
    if wanted.workstation is not None:
        rows = rows.filter(workstation=wanted.workstation)
    if wanted.state is not None:
        rows = rows.filter(state=wanted.state)
    if wanted.search:
        rows = rows.filter(title__icontains=wanted.search)
    if wanted.tag:
        rows = rows.filter(workstation__in=tagged(wanted.tag, request.user))
    items = [row.public() for row in wanted.cut(rows)]
    return {"count": rows.count(), "items": items, "last_event_id": event_id}


def _accept_many(
    request: HttpRequest, verb: EmulatorVerb, asked: ManyEmulators, idempotency_key: str | None
) -> Answer[dict[str, Any]]:
    demand(request.user, RIGHT_OF_VERB[verb], Emulator)
    outcome = request_actions(
        chosen_emulators(
            ids=asked.emulators, tag=asked.tag, workstation=asked.workstation, user=request.user
        ),
        verb,
        requester_of(request, "api"),
        reason=asked.reason,
        idempotency_key=idempotency_key or "",
    )
    return accepted_many(outcome)


@router.post("/batch-start", response={202: ManyAnswer}, summary="Start many")
def start_many(
    request: HttpRequest, asked: ManyEmulators, idempotency_key: IdempotencyKey
) -> Answer[dict[str, Any]]:
    """Each gets an operation or a refusal with its reason; as many at once as its workstation allows."""
    return _accept_many(request, "start", asked, idempotency_key)


@router.post("/batch-stop", response={202: ManyAnswer}, summary="Stop many")
def stop_many(
    request: HttpRequest, asked: ManyEmulators, idempotency_key: IdempotencyKey
) -> Answer[dict[str, Any]]:
    """Each gets an operation or a refusal with its reason."""
    return _accept_many(request, "stop", asked, idempotency_key)


@router.post("/batch-restart", response={202: ManyAnswer}, summary="Restart many")
def restart_many(
    request: HttpRequest, asked: ManyEmulators, idempotency_key: IdempotencyKey
) -> Answer[dict[str, Any]]:
    """Each gets an operation or a refusal with its reason."""
    return _accept_many(request, "restart", asked, idempotency_key)


@router.get("/{emulator_id}", response=schemas.EmulatorShape, summary="One emulator")
def one_emulator(request: HttpRequest, emulator_id: RowId) -> dict[str, Any]:
    """As its workstation's list was last read. One query."""
    demand(request.user, "view", Emulator)
    return emulator_called(emulator_id, request.user).public()


@router.get("/{emulator_id}/history", response=schemas.SeenChanges, summary="What has changed of it")
def history(request: HttpRequest, emulator_id: RowId, page: Query[Page]) -> dict[str, Any]:
    """Newest first: all that was seen at its index, which another emulator may have had before. 3 queries."""
    demand(request.user, "view", Change)
    emulator = emulator_called(emulator_id, request.user)
    rows = Change.objects.filter(workstation=emulator.workstation_id, index=emulator.index)
    return {"count": rows.count(), "items": [row.public() for row in page.cut(rows)]}


def _accept(
    request: HttpRequest,
    emulator_id: int,
    verb: EmulatorVerb,
    reason: str,
    idempotency_key: str | None,
    parameters: dict[str, Any] | None = None,
) -> Answer[dict[str, Any]]:
    demand(request.user, RIGHT_OF_VERB[verb], Emulator)
    operation = request_action(
        emulator_called(emulator_id, request.user),
        verb,
        requester_of(request, "api"),
        parameters=parameters,
        reason=reason,
        idempotency_key=idempotency_key or "",
    )
    return accepted(operation)


def _why(asked: Asked | None) -> str:
    return asked.reason if asked else ""


@router.post("/{emulator_id}/start", response={202: OperationAnswer}, summary="Start it")
def start(
    request: HttpRequest, emulator_id: RowId, idempotency_key: IdempotencyKey, asked: Asked | None = None
) -> Answer[dict[str, Any]]:
    """Done once it runs, which is read back."""
    return _accept(request, emulator_id, "start", _why(asked), idempotency_key)


@router.post("/{emulator_id}/stop", response={202: OperationAnswer}, summary="Stop it")
def stop(
    request: HttpRequest, emulator_id: RowId, idempotency_key: IdempotencyKey, asked: Asked | None = None
) -> Answer[dict[str, Any]]:
    """Ends a start that is under way."""
    return _accept(request, emulator_id, "stop", _why(asked), idempotency_key)


@router.post("/{emulator_id}/restart", response={202: OperationAnswer}, summary="Restart it")
def restart(
    request: HttpRequest, emulator_id: RowId, idempotency_key: IdempotencyKey, asked: Asked | None = None
) -> Answer[dict[str, Any]]:
    """Stop and start."""
    return _accept(request, emulator_id, "restart", _why(asked), idempotency_key)


@router.post("/{emulator_id}/rename", response={202: OperationAnswer}, summary="Give it another title")
def rename(
    request: HttpRequest, emulator_id: RowId, idempotency_key: IdempotencyKey, asked: TitleAsked
) -> Answer[dict[str, Any]]:
    """The index stays."""
    return _accept(request, emulator_id, "rename", asked.reason, idempotency_key, asked.parameters())


@router.post("/{emulator_id}/clone", response={202: OperationAnswer}, summary="Copy it")
def clone(
    request: HttpRequest, emulator_id: RowId, idempotency_key: IdempotencyKey, asked: TitleAsked
) -> Answer[dict[str, Any]]:
    """It has to be stopped; done once the copy is whole, which may take minutes."""
    return _accept(request, emulator_id, "clone", asked.reason, idempotency_key, asked.parameters())


@router.post("/{emulator_id}/modify", response={202: OperationAnswer}, summary="Change its hardware")
def modify(
    request: HttpRequest, emulator_id: RowId, idempotency_key: IdempotencyKey, asked: ModifyAsked
) -> Answer[dict[str, Any]]:
    """Processors, memory, screen; it has to be stopped."""
    return _accept(request, emulator_id, "modify", asked.reason, idempotency_key, asked.parameters())


@router.post("/{emulator_id}/install-app", response={202: OperationAnswer}, summary="Install an app")
def install_app(
    request: HttpRequest, emulator_id: RowId, idempotency_key: IdempotencyKey, asked: InstallAsked
) -> Answer[dict[str, Any]]:
    """A file on the workstation, or a package; it has to run."""
    return _accept(request, emulator_id, "install-app", asked.reason, idempotency_key, asked.parameters())


@router.delete("/{emulator_id}", response={202: OperationAnswer}, summary="Delete it on its workstation")
def delete(
    request: HttpRequest, emulator_id: RowId, idempotency_key: IdempotencyKey, asked: Asked | None = None
) -> Answer[dict[str, Any]]:
    """With all that is in it, for good; it has to be stopped."""
    return _accept(request, emulator_id, "delete", _why(asked), idempotency_key)
