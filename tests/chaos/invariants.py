"""What has to hold after any chaos, whatever happened during it."""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from uuid import UUID

from monitoring import handlers
from monitoring.models import Run, Service, ServiceStatus, Transition
from operations.models import Operation
from operations.states import Status
from tests.chaos.watcher import Seen

_INTENT_OF = {handlers.START: "up", handlers.RESTART: "up", handlers.STOP: "down"}


def breaches(services: Iterable[Service], processes: Iterable[Seen]) -> list[str]:
    """Return in words what does not hold. ``processes`` are all that live; nothing may be under way."""
    living = list(processes)
    services = list(services)
    found = [f"operation {row.pk} is still {row.status}" for row in Operation.objects.active()]
    known = {service.key for service in services}
    found += [
        f"pid {one.pid} is of {one.service}, which is unknown" for one in living if one.service not in known
    ]
    for service in services:
        mine = [one for one in living if one.service == service.key]
        status = ServiceStatus.objects.get(service=service)
        for breach in (
            *_of_intent(service, status, mine),
            *_of_runs(service, status, mine),
            *_of_history(status),
        ):
            found.append(f"{service.key}: {breach}")
    return found


def _of_intent(service: Service, status: ServiceStatus, processes: list[Seen]) -> Iterator[str]:
    # A copy that was scaled away and back is another one, with the same key.
    asked = Operation.objects.filter(
        target_type="service",
        target_key=service.key,
        kind__in=_INTENT_OF,
        created_at__gt=service.created_at,
    )
    last = asked.order_by("-pk").first()
    # One that failed may have come as far as changing the intent or not.
    if last is not None and last.status == Status.SUCCESS and _INTENT_OF[last.kind] != status.intent:
        yield f"{last.kind} was the last word and succeeded, but the intent is {status.intent}"
    if status.intent == "down" and (status.state != "STOPPED" or processes):
        yield f"wanted down and is {status.state} with {len(processes)} processes"
    if status.intent == "up" and status.auto_recovery and status.state != "RUNNING":
        yield f"wanted up and is {status.state} ({status.reason}: {status.detail})"
    if status.state == "RUNNING" and status.pid not in {one.pid for one in processes}:
        yield f"is RUNNING with pid {status.pid}, which does not live"
    if status.state in ("EXITED", "FATAL", "BACKOFF") and processes:
        yield f"is {status.state} with {len(processes)} processes"


def _of_runs(service: Service, status: ServiceStatus, processes: list[Seen]) -> Iterator[str]:
    runs = list(Run.objects.filter(service=service).order_by("started_at"))
    live = [run for run in runs if run.ended_at is None]
    wanted = 1 if status.state == "RUNNING" else 0
    if len(live) != wanted:
        yield f"is {status.state} with {len(live)} runs that have not ended"
    ids = {UUID(one.run_id) for one in processes}
    if ids - {run.run_id for run in live}:
        yield f"processes {[one.pid for one in processes]} live, not all of them of its live run"
    if live and live[0].pid != status.pid:
        yield f"its live run has pid {live[0].pid}, its status says {status.pid}"
    for one, after in pairwise(runs):
        if one.ended_at is None or one.ended_at > after.started_at:
            yield f"run {one} ended at {one.ended_at}, after the next began at {after.started_at}"
    for run in runs:
        if run.ended_at is not None and (run.ended_at < run.started_at or not run.exit_source):
            yield f"{run}, from {run.started_at} to {run.ended_at}, has no proper end ({run.exit_source!r})"


def _of_history(status: ServiceStatus) -> Iterator[str]:
    rows = list(Transition.objects.filter(service=status.service_id).order_by("id"))
    for one, after in pairwise(rows):
        if one.to_state != after.from_state:
            yield f"history has a gap: {one} and then {after}"
        if one.at > after.at:
            yield f"history is out of order: {one} at {one.at}, then {after} at {after.at}"
    if rows and rows[-1].to_state != status.state:
        yield f"history ends with {rows[-1].to_state}, the state is {status.state}"
