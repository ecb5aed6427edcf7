"""What operators read about operations: pure functions from a row to a sentence, none of them queries."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from math import floor

from medimgr.lib.problems import Problem
from medimgr.lib.request_problems import InternalError
from operations import queues, registry
from operations.exceptions import (
    CancelledByRequest,
    CheckpointUnfit,
    LeaseLost,
    NoHandler,
    OutOfTime,
    Superseded,
    TargetGone,
    UnknownKind,
    WorkerStopped,
)
from operations.models import Operation
from operations.requester import Requester
from operations.states import Status

DEFAULT_DEADLINE_SECONDS = 300.0
_ENDS: tuple[type[Problem], ...] = (
    LeaseLost,
    OutOfTime,
    WorkerStopped,
    InternalError,
    NoHandler,
    UnknownKind,
    TargetGone,
    CheckpointUnfit,
    CancelledByRequest,
    Superseded,
)
_ERRORS: dict[str, str] = {kind.code: kind.meaning() for kind in _ENDS}


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


def _longest_wait(kind: str) -> float:
    try:
        return registry.get(kind).longest_wait
    except UnknownKind:
        return DEFAULT_DEADLINE_SECONDS


def name(operation: Operation) -> str:
    """Return an operation as a noun: ``Operation 17 (Restart service:backend)``."""
    return f"Operation {operation.pk} ({label(operation.kind)} {operation.target_words})"


def clock_time(moment: datetime) -> str:
    """Return the time of day with its zone: ``12:03:11 UTC``."""
    return moment.strftime("%H:%M:%S %Z")


def server(queue: str) -> str:
    """Return who serves ``queue``: ``supervisor of node alpha`` or ``operations worker``."""
    if queue.startswith("node:"):
        return f"supervisor of node {queue.removeprefix('node:')}"
    return "operations worker" if queues.served(queue) else f"server of queue {queue}"


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
        f"{operation.target_words} is busy: {label(operation.kind)} (operation {operation.pk}), asked for by "
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
    if operation.status == Status.PENDING:
        waited = f"{_longest_wait(operation.kind):g} s"
        return f"No {server(operation.queue)} took it within {waited}. {remedy(operation.queue)}"
    allowed = f"{deadline_seconds(operation.kind):g} s"
    return f"It did not end within {allowed} of its start. Look at the target before asking again."


def declare_errors(kinds: Iterable[type[Problem]], further: Mapping[str, str] | None = None) -> None:
    """Say what operations end with: for the apps whose operations those are, in ``AppConfig.ready()``.

    ``further`` are codes that are no problem's, with a sentence each.
    """
    _ERRORS.update({kind.code: kind.meaning() for kind in kinds} | dict(further or {}))


def error_sentences() -> dict[str, str]:
    """Return what each error code means, for the pages' scripts."""
    return dict(_ERRORS)


def error(operation: Operation) -> str:
    """Return in a sentence why an operation did not succeed; empty where it did or has not ended.

    What nobody has declared is told by the operation's own detail, and so is who cancelled it.
    """
    if not operation.error_code:
        return ""
    known = "" if operation.status == Status.CANCELLED else _ERRORS.get(operation.error_code, "")
    return known or operation.error_detail or operation.error_code


def status(operation: Operation) -> str:
    """Return the status as people read it: ``Cancelling`` where a running one was asked to end."""
    if operation.status == Status.RUNNING and operation.cancel_requested_at is not None:
        return "Cancelling"
    return operation.status.capitalize()


def took(seconds: float) -> str:
    """Return how long something ran: ``4.2 s``, ``12 min 5 s``, ``3 h 5 min``."""
    if seconds < 60:
        # Halves go up, as the pages' scripts round them.
        return f"{floor(max(0.0, seconds) * 10 + 0.5) / 10:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
