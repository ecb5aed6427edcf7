"""The JSON API for actions on workstations. They only enqueue operations."""

from typing import Any

from django.http import HttpRequest
from ninja import Router
from ninja.responses import Status as Answer

from medimgr.lib.access import demand
from medimgr.lib.api_parameters import IdempotencyKey, RowId
from operations.batch_requests import Asked as AskedForMany
from operations.batches import public
from operations.models import Operation
from operations.request_origin import requester_of
from operations.schemas import OperationAnswer
from workstations.action_schemas import Asked, CreateAsked, ManyAnswer, ManyWorkstations
from workstations.actions import WorkstationVerb, chosen_workstations, request_action, request_actions
from workstations.api import router, workstation_called
from workstations.models import Workstation

__all__ = ["batches", "router"]

batches = Router(tags=["workstations"])
"""Of paths that would be taken for ids otherwise: to be added before ``router``."""
RIGHT_OF_VERB: dict[WorkstationVerb, str] = {
    "test-connection": "test",
    "check-host": "check",
    "read-system": "check",
    "scan": "scan",
    "create-emulator": "add_emulator",
}


def accepted(operation: Operation) -> Answer[dict[str, Any]]:
    """Return the answer to an accepted action. No query."""
    return Answer(202, {"operation": operation.public()})


def accepted_many(asked: AskedForMany) -> Answer[dict[str, Any]]:
    """Return the answer to an action on many. One query."""
    body = {
        "batch": asked.batch.pk,
        "operations": [operation.public() for operation in asked.operations],
        "refused": [refusal.public() for refusal in asked.refused],
        "state": public(asked.batch),
    }
    return Answer(202, body)


def _accept(
    request: HttpRequest,
    workstation_id: int,
    verb: WorkstationVerb,
    reason: str,
    idempotency_key: str | None,
    parameters: dict[str, Any] | None = None,
) -> Answer[dict[str, Any]]:
    demand(request.user, RIGHT_OF_VERB[verb], Workstation)
    operation = request_action(
        workstation_called(workstation_id, request.user),
        verb,
        requester_of(request, "api"),
        parameters=parameters,
        reason=reason,
        idempotency_key=idempotency_key or "",
    )
    return accepted(operation)


def _accept_many(
    request: HttpRequest, verb: WorkstationVerb, asked: ManyWorkstations, idempotency_key: str | None
) -> Answer[dict[str, Any]]:
    demand(request.user, RIGHT_OF_VERB[verb], Workstation)
    outcome = request_actions(
        chosen_workstations(ids=asked.workstations, tag=asked.tag, user=request.user),
        verb,
        requester_of(request, "api"),
        reason=asked.reason,
        idempotency_key=idempotency_key or "",
    )
    return accepted_many(outcome)


@batches.post("/batch-test-connection", response={202: ManyAnswer}, summary="Test many connections")
def test_many(
    request: HttpRequest, asked: ManyWorkstations, idempotency_key: IdempotencyKey
) -> Answer[dict[str, Any]]:
    """Each gets an operation or a refusal with its reason."""
    return _accept_many(request, "test-connection", asked, idempotency_key)


@batches.post("/batch-check-host", response={202: ManyAnswer}, summary="Check many hosts")
def check_many(
    request: HttpRequest, asked: ManyWorkstations, idempotency_key: IdempotencyKey
) -> Answer[dict[str, Any]]:
    """Each gets an operation or a refusal with its reason."""
    return _accept_many(request, "check-host", asked, idempotency_key)


@batches.post("/batch-scan", response={202: ManyAnswer}, summary="Read the emulators of many")
def scan_many(
    request: HttpRequest, asked: ManyWorkstations, idempotency_key: IdempotencyKey
) -> Answer[dict[str, Any]]:
    """Each gets an operation or a refusal with its reason."""
    return _accept_many(request, "scan", asked, idempotency_key)


@router.post("/{workstation_id}/test-connection", response={202: OperationAnswer}, summary="Test it")
def test_connection(
    request: HttpRequest,
    workstation_id: RowId,
    idempotency_key: IdempotencyKey,
    asked: Asked | None = None,  # noqa: PT028 (it is no pytest test)
) -> Answer[dict[str, Any]]:
    """One TCP connect to its WinRM port, 5 seconds at most."""
    return _accept(request, workstation_id, "test-connection", _why(asked), idempotency_key)


@router.post("/{workstation_id}/check-host", response={202: OperationAnswer}, summary="Check its set-up")
def check_host(
    request: HttpRequest, workstation_id: RowId, idempotency_key: IdempotencyKey, asked: Asked | None = None
) -> Answer[dict[str, Any]]:
    """Logs in and looks at all that medimgr needs there; each finding comes with its mend."""
    return _accept(request, workstation_id, "check-host", _why(asked), idempotency_key)


@router.post("/{workstation_id}/system-info", response={202: OperationAnswer}, summary="Read its system")
def read_system(
    request: HttpRequest, workstation_id: RowId, idempotency_key: IdempotencyKey, asked: Asked | None = None
) -> Answer[dict[str, Any]]:
    """Processors, memory, disks, Windows and who is logged on; GET gives what was last read."""
    return _accept(request, workstation_id, "read-system", _why(asked), idempotency_key)


@router.post(
    "/{workstation_id}/emulators/scan", response={202: OperationAnswer}, summary="Read its emulators"
)
def scan(
    request: HttpRequest, workstation_id: RowId, idempotency_key: IdempotencyKey, asked: Asked | None = None
) -> Answer[dict[str, Any]]:
    """At once, whatever the polling does."""
    return _accept(request, workstation_id, "scan", _why(asked), idempotency_key)


@router.post("/{workstation_id}/emulators", response={202: OperationAnswer}, summary="Create an emulator")
def create_emulator(
    request: HttpRequest, workstation_id: RowId, idempotency_key: IdempotencyKey, asked: CreateAsked
) -> Answer[dict[str, Any]]:
    """It is stopped at first."""
    parameters = asked.parameters()
    return _accept(request, workstation_id, "create-emulator", asked.reason, idempotency_key, parameters)


def _why(asked: Asked | None) -> str:
    return asked.reason if asked else ""
