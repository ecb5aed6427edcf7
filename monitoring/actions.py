"""Asks for something to be done to services: the one way in for API, page, admin and ``services``."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, get_args

from medimgr.lib.problems import Problem
from monitoring import handlers
from monitoring.models import Service
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
        parameters={name: True for name, given in (("force", force), ("rolling", rolling)) if given},
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


def request_actions(
    services: Iterable[Service],
    verb: Verb,
    requester: Requester,
    *,
    force: bool = False,
    rolling: bool = False,
    reason: str = "",
    idempotency_key: str = "",
) -> Batch:
    """Queue ``verb`` for each service, each on its own merits: one that is busy does not hold up the others.

    A ``rolling`` restart of several is one roll: they go one after the other, or as many at a time as their
    ``min_ready`` allows, and one that does not become ready ends it.
    Repeating it with the same ``idempotency_key`` gives the same operations again. Queries and writes
    the database for each service.
    """
    asked = Batch(batch=_batch_id(requester, idempotency_key))
    for service in services:
        try:
            operation = request_action(
                service,
                verb,
                requester,
                force=force,
                rolling=rolling,
                reason=reason,
                # A key belongs to one operation, so each service of the batch gets one of its own.
                idempotency_key=f"{asked.batch}:{service.key}" if idempotency_key else "",
                batch=asked.batch,
            )
        except Problem as problem:
            asked.refused.append(Refusal(service.key, problem.code, problem.detail))
        else:
            asked.operations.append(operation)
    return asked


def _batch_id(requester: Requester, idempotency_key: str) -> str:
    # Derived from the key where there is one, so that a repetition falls into the same batch.
    if idempotency_key:
        return uuid.uuid5(uuid.NAMESPACE_OID, f"{requester.name}\n{idempotency_key}").hex
    return uuid.uuid4().hex
