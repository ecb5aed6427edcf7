"""What operators read about operations: pure functions from a row to a sentence, none of them queries."""

from datetime import datetime

from operations import registry
from operations.exceptions import UnknownKind
from operations.models import Operation
from operations.requester import Requester
from operations.states import Status

DEFAULT_DEADLINE_SECONDS = 300.0


def label(kind: str) -> str:
    """Return a kind's label, or its name where nobody declares it any more."""
    try:
        return registry.get(kind).label
    except UnknownKind:
        return kind


def deadline_seconds(kind: str) -> float:
    """Return how long an operation of ``kind`` may take; five minutes where nobody declares it."""
    try:
        return registry.get(kind).deadline_seconds
    except UnknownKind:
        return DEFAULT_DEADLINE_SECONDS


def name(operation: Operation) -> str:
    """Return an operation as a noun: ``Operation 17 (Restart service:backend)``."""
    return f"Operation {operation.pk} ({label(operation.kind)} {operation.target})"


def clock_time(moment: datetime) -> str:
    """Return the time of day with its zone: ``12:03:11 UTC``."""
    return moment.strftime("%H:%M:%S %Z")


def server(queue: str) -> str:
    """Return who serves ``queue``: ``supervisor of node alpha`` or ``operations worker``."""
    if queue.startswith("node:"):
        return f"supervisor of node {queue.removeprefix('node:')}"
    return "operations worker" if queue == registry.WORKER_QUEUE else f"server of queue {queue}"


def remedy(queue: str) -> str:
    """Return what to do where nobody serves ``queue``."""
    if queue.startswith("node:"):
        return "Check there that manage.py supervise (or up) runs."
    return "Check that manage.py run_operations (or up) runs."


def ended(operation: Operation) -> str:
    """Return how a finished operation ended, as a sentence."""
    status = operation.status.lower()
    if not operation.error_code:
        return f"{status}."
    return f"{status} ({operation.error_code}). {operation.error_detail}".strip()


def busy(operation: Operation) -> str:
    """Return why a new request has to wait for ``operation``."""
    begun = operation.started_at if operation.status == Status.RUNNING else None
    state = f"running since {clock_time(begun)}" if begun else f"waiting for the {server(operation.queue)}"
    return (
        f"{operation.target} is busy: {label(operation.kind)} (operation {operation.pk}), asked for by "
        f"{operation.requester} at {clock_time(operation.created_at)}, is {state}. "
        "Wait until it ends, or cancel it."
    )


def superseded(successor: registry.Kind, requester: Requester) -> str:
    """Return why an operation had to give way."""
    return f"Replaced by {successor.label} ({successor.name}), asked for by {requester.name}."


def lease_lost(operation: Operation) -> str:
    """Return what is known of an operation whose holder is gone."""
    return (
        f"The {server(operation.queue)} that carried it out ({operation.lease_owner}) is gone. How far it "
        "came is not known: look at the target, then ask again if need be."
    )


def timed_out(operation: Operation) -> str:
    """Return why an active operation ran out of time."""
    allowed = f"{deadline_seconds(operation.kind):g} s"
    if operation.status == Status.PENDING:
        return f"No {server(operation.queue)} took it within {allowed}. {remedy(operation.queue)}"
    return f"It did not end within {allowed} of its start. Look at the target before asking again."
