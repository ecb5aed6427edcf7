"""The kind ``operations.purge``: the deletion of finished operations, as an operation itself.

It is asked for by people, by cron's command and by a chore, is carried out like any other, shows how far it
is, and can be cancelled. There is one at a time.
"""

import logging
import time
from datetime import datetime, timedelta
from itertools import islice
from typing import Annotated, Any

from django.db import DatabaseError, InterfaceError, connections
from django.db.models import Q
from django.utils import timezone
from pydantic import BaseModel, BeforeValidator
from pydantic_core import PydanticCustomError

from operations import batches, registry, words
from operations.claiming import LEASE_SECONDS
from operations.exceptions import LeaseLost, TargetBusy
from operations.intake import is_made, prepare, request_operation
from operations.job import Job
from operations.models import Operation
from operations.purge import LARGEST_BATCH, MOST_AT_A_TIME, Purge, purgeable
from operations.purge_pace import unhurried
from operations.registry import WORKER_QUEUE, Kind
from operations.requester import Requester
from operations.states import Status
from operations.transitions import Change, change, ending

logger = logging.getLogger(__name__)

KIND = "operations.purge"
TARGET_KEY = "finished"
DEADLINE_SECONDS = 3600.0
MOST_HOURS = 24 * 366 * 100
MOST_KEPT = 10_000
CHECKPOINT_SECONDS = 5.0
TRIES = 6
"""So often in a row the database may fail before the purge does."""
_LONGEST_PAUSE = 5.0
_SHOWN = 40
_LOOKED_AT = 500


def _hours(value: object) -> float:
    try:
        hours = float(str(value))
    except ValueError:
        raise _fault("{value} is not a number of hours", value) from None
    if not 0 <= hours <= MOST_HOURS:
        raise _fault(f"{{value}} is no age: write a number of hours from 0 to {MOST_HOURS}", value)
    return hours


def _kept(value: object) -> int:
    return _whole(value, f"{{value}} is not a number of operations from 0 to {MOST_KEPT}", 0, MOST_KEPT)


def _batch_size(value: object) -> int:
    return _whole(value, f"{{value}} is not a number of rows from 1 to {LARGEST_BATCH}", 1, LARGEST_BATCH)


def _whole(value: object, fault: str, least: int, most: int) -> int:
    text = str(value)
    if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):
        raise _fault(fault, value)
    return int(text)


def _fault(sentence: str, value: object) -> PydanticCustomError:
    # The text is somebody's: in quotes, and not for ever.
    return PydanticCustomError("purge", sentence, {"value": repr(str(value)[:_SHOWN])})


class PurgeParameters(BaseModel, extra="forbid"):
    """What goes and what stays. The same sentences for a bad value in command, API and page."""

    keep_hours: Annotated[float, BeforeValidator(_hours)] = 1.0
    keep_per_target: Annotated[int, BeforeValidator(_kept)] = 0
    batch_size: Annotated[int, BeforeValidator(_batch_size)] = MOST_AT_A_TIME


def carry_out(job: Job) -> None:
    """Delete what ended long enough ago, in batches with pauses, until nothing is left or it is cancelled.

    Raises what the database raises where it fails six times in a row.
    """
    parameters = PurgeParameters.model_validate(job.operation.parameters)
    older_than = timezone.now() - timedelta(hours=parameters.keep_hours)
    walk = Purge(
        older_than,
        keep_per_target=parameters.keep_per_target,
        batch_size=parameters.batch_size,
        begun=job.operation.checkpoint,
    )
    total = walk.looked_at + walk.ahead()
    stored_at = time.monotonic()
    failures = 0
    with unhurried():
        while True:
            try:
                if not walk.step():
                    break
                failures = 0
            except (DatabaseError, InterfaceError) as error:
                failures += 1
                if failures >= TRIES:
                    raise
                logger.warning("the purge waits for the database: %s", str(error).partition("\n")[0])
                connections.close_all()
                job.wait(min(_LONGEST_PAUSE, 0.25 * 2**failures))
                continue
            total = max(total, walk.looked_at)
            _note(job.operation, walk, total)  # so that a cancelled one, too, says how many are gone
            if time.monotonic() - stored_at >= CHECKPOINT_SECONDS:
                job.checkpoint(walk.state(), walk.looked_at, total, said(walk))
                stored_at = time.monotonic()
            job.progress(walk.looked_at, total, said(walk))
            job.wait(walk.pause_seconds)
        forgotten = batches.forget_old(older_than)
    job.progress(walk.looked_at, walk.looked_at, said(walk))
    job.log(f"{said(walk)}, and {forgotten} batch(es) without operations; older than {older_than:%F %T %Z}")


def _note(operation: Operation, walk: Purge, total: int) -> None:
    operation.progress_done, operation.progress_total = walk.looked_at, total
    operation.progress_message = said(walk)


def said(walk: Purge) -> str:
    """Return how far a purge has come: ``12,000 deleted, 30 kept``."""
    return f"{walk.deleted:,} deleted" + (f", {walk.spared:,} kept" if walk.spared else "")


def deleted(operation: Operation) -> int:
    """Return how many operations a purge has deleted, by its progress. No query."""
    number = operation.progress_message.partition(" ")[0].replace(",", "")
    return int(number) if number.isdecimal() else 0


def ask_for_purge(
    requester: Requester, *, queue: str = WORKER_QUEUE, idempotency_key: str = "", **parameters: Any
) -> Operation:
    """Ask for a purge and return the operation; one that waits gives way to it.

    The same ``idempotency_key`` of the same requester returns the same operation as long as that is kept.
    Raises BadParameters, NotPermitted, and TargetBusy where another is under way. Some six queries.
    """
    checked(requester, **parameters)
    running = Operation.objects.filter(kind=KIND, status=Status.RUNNING).first()
    if running is not None and not is_made(
        requester, idempotency_key
    ):  # perhaps on a target of its own, as one that was asked for by its kind
        raise TargetBusy(words.busy(running))
    return request_operation(
        KIND,
        Operation(),
        TARGET_KEY,
        queue=queue,
        requester=requester,
        parameters=parameters,
        idempotency_key=idempotency_key,
    )


def end_abandoned() -> None:
    """End the purge whose holder is gone: where no operations worker runs, nobody else does. A query or four.

    Half a minute later than a worker would, since the clocks of machines differ.
    """
    gone = timezone.now() - timedelta(seconds=LEASE_SECONDS)
    lost = Operation.objects.filter(status=Status.RUNNING, kind=KIND, lease_until__lt=gone)
    change(
        [
            Change(
                row.pk,
                {"status": row.status, "lease_token": row.lease_token, "lease_until__lt": gone},
                ending(Status.FAILED, LeaseLost.code, words.lease_lost(row)),
            )
            for row in lost
        ]
    )


def checked(requester: Requester, **parameters: Any) -> PurgeParameters:
    """Return the parameters as a purge would take them, asking for nothing. No query of its own.

    Raises BadParameters and NotPermitted.
    """
    wanted = prepare(KIND, Operation(), TARGET_KEY, queue="", requester=requester, parameters=parameters)
    return PurgeParameters.model_validate(wanted.parameters)


def under_way() -> bool:
    """Return whether a purge runs, or waits without having been asked for later. One query."""
    active = Operation.objects.active().filter(kind=KIND)
    return active.filter(Q(status=Status.RUNNING) | Q(run_after__lte=timezone.now())).exists()


def anything_to_purge(older_than: datetime, keep_per_target: int) -> bool:
    """Return whether a purge would delete anything but old purges.

    One small query where none is to stay; otherwise it looks through what stays, in bounded parts.
    """
    if not keep_per_target:
        return purgeable(older_than).exclude(kind=KIND).exists()
    going = Purge(older_than, keep_per_target=keep_per_target).going()
    while some := list(islice(going, _LOOKED_AT)):
        if Operation.objects.filter(pk__in=some).exclude(kind=KIND).exists():
            return True
    return False


def register_kind() -> None:
    """Declare the kind. Called once, when the app is ready."""
    registry.register(
        Kind(
            KIND,
            "Delete finished operations",
            Operation,
            "purge",
            parameters=PurgeParameters,
            deadline_seconds=DEADLINE_SECONDS,
            # One that waits gives way: where nobody carries it out, cron's command is not to wait for ever.
            supersedes=frozenset({KIND}),
            target_field="",
            at_once=1,
            repeatable=3,
            resumable=True,
            handler=carry_out,
        )
    )
