"""Asks for something to be done to services: the one way in for API, page, admin and ``services``."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from monitoring import handlers
from monitoring.exceptions import UnknownService
from monitoring.models import Service
from operations.batch_requests import Refusal as Unaccepted
from operations.batch_requests import Wanted, request_batch
from operations.batches import public
from operations.intake import request_operation
from operations.models import Operation
from operations.registry import node_queue
from operations.requester import Requester

Verb = Literal["start", "stop", "restart", "auto-recovery-on", "auto-recovery-off"]

KIND_OF_VERB: dict[Verb, str] = {
    "start": handlers.START,
    "stop": handlers.STOP,
    "restart": handlers.RESTART,
    "auto-recovery-on": handlers.AUTO_RECOVERY_ON,
    "auto-recovery-off": handlers.AUTO_RECOVERY_OFF,
}
VERBS: tuple[Verb, ...] = get_args(Verb)
ENDS_A_PROCESS: frozenset[Verb] = frozenset({"stop", "restart"})
"""Verbs before which a service's warning is shown and has to be confirmed."""


def request_action(
    service: Service,
    verb: Verb,
    requester: Requester,
    *,
    force: bool = False,
    rolling: bool = False,
    reason: str = "",
    idempotency_key: str = "",
    batch: str = "",
) -> Operation:
    """Queue ``verb`` for the supervisor of the service's node and return the operation; nothing is done here.

    ``force`` (stop alone) kills at once instead of asking first; ``rolling`` (restart alone) lets it wait
    until enough of its group is ready. Raises what ``request_operation`` raises: NotPermitted,
    BadParameters, TargetBusy, KeyReused. Queries and writes the database; one query less where
    ``service.node`` was selected along.
    """
    return request_operation(
        KIND_OF_VERB[verb],
        service,
        service.key,
        queue=node_queue(service.node.name),
        requester=requester,
        parameters=_parameters(force, rolling),
        reason=reason,
        idempotency_key=idempotency_key,
        batch=batch,
    )


@dataclass(frozen=True, slots=True)
class Refusal:
    """A service of a batch on which the action was not accepted, and why."""

    service: str
    code: str
    detail: str


@dataclass(slots=True)
class Batch:
    """What one request for many services came to. ``batch`` is the id that its operations share."""

    batch: str
    operations: list[Operation] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    state: dict[str, Any] = field(default_factory=dict)
    """How far it is, in the shape of the API."""


def request_actions(
    services: Iterable[Service],
    verb: Verb,
    requester: Requester,
    *,
    force: bool = False,
    rolling: bool = False,
    reason: str = "",
    idempotency_key: str = "",
    strangers: Iterable[str] = (),
) -> Batch:
    """Queue ``verb`` for each service, each on its own merits: one that is busy does not hold up the others.

    ``strangers`` are keys of no service: they count as refused. A ``rolling`` restart of several is one
    roll: they go one after the other, or as many at a time as their ``min_ready`` allows, and one that does
    not become ready ends it. Repeating it with the same ``idempotency_key`` gives the same operations
    again. Raises NotPermitted, BadParameters and KeyReused for the request as a whole. Queries and writes
    the database: a few times for every fifty services, one query less for each whose ``node`` was
    selected along.
    """
    asked = request_batch(
        KIND_OF_VERB[verb],
        [Wanted(service.key, service) for service in services],
        requester=requester,
        parameters=_parameters(force, rolling),
        reason=reason,
        idempotency_key=idempotency_key,
        refused=[
            Unaccepted(f"service:{key}", UnknownService.code, f"There is no service with the key {key!r}.")
            for key in strangers
        ],
    )
    return Batch(
        asked.batch.pk,
        asked.operations,
        [Refusal(one.target.removeprefix("service:"), one.code, one.detail) for one in asked.refused],
        public(asked.batch),
    )


def _parameters(force: bool, rolling: bool) -> dict[str, bool]:
    return {name: True for name, given in (("force", force), ("rolling", rolling)) if given}
