"""Writes a batch of the supervisor's rows in one transaction: history, status, and the events about it."""

import logging
import time
from collections.abc import Container, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from medimgr.events.log import Fact, publish_all, write_tick
from medimgr.lib.scope import group_label
from medimgr.tallies.counting import add
from monitoring.models import Run, Service, ServiceStatus, Transition
from monitoring.states import ExitSource
from monitoring.supervisor import lease as leases
from monitoring.supervisor.lease import Lease
from monitoring.supervisor.records import RunRow, StatusRow, TakenOver, TransitionRow
from monitoring.supervisor.writes import Batch
from monitoring.tallies import restarts

log = logging.getLogger(__name__)
_STATUS_FIELDS = (
    "intent",
    "state",
    "health",
    "reason",
    "detail",
    "since",
    "pid",
    "process_started_at",
    "restarts",
    "auto_recovery",
    "needs_restart",
    "flapping",
    "next_run_at",
)
_RUN_CHANGES = (
    "service",
    "pid",
    "ready_at",
    "ended_at",
    "exit_code",
    "exit_signal",
    "exit_source",
    "end_reason",
)
TICK_SECONDS = 30.0
"""Measurements that stay the same are written again so often: somebody may have emptied the table."""
Tick = dict[str, list[float]]


class Published:
    """What readers were last told of each service, so that an event holds what has changed alone."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, Any]] = {}
        self._tick: Tick | None = None
        self._tick_written_at = 0.0

    def learn(self, status: StatusRow) -> None:
        """Note what the database holds."""
        self._known[status.key] = status.public()

    def learn_new(self, status: StatusRow) -> None:
        """Note what the database holds of a service that nobody knew."""
        self._known.setdefault(status.key, status.public())

    def changes(self, status: StatusRow) -> dict[str, Any]:
        """Return the fields in which ``status`` differs from what readers know."""
        known = self._known.get(status.key, {})
        return {name: value for name, value in status.public().items() if known.get(name, ...) != value}

    def has_tick(self, tick: Tick) -> bool:
        """Return whether the database holds these very measurements, and was given them not long ago."""
        return tick is self._tick and time.monotonic() - self._tick_written_at < TICK_SECONDS

    def learn_tick(self, tick: Tick) -> None:
        """Note that the database holds these measurements."""
        self._tick, self._tick_written_at = tick, time.monotonic()


def flush(batch: Batch, lease: Lease, published: Published) -> None:
    """Write all of ``batch`` but the notes about operations, under the lease, in one transaction.

    Rows about services that are gone meanwhile are left out. Raises NodeTaken where another supervisor
    has the node, and what the driver raises; nothing is written then.
    """
    with transaction.atomic():
        facts = leases.hold(lease, batch.problem)
        present = _present(batch)
        _write_runs(list(batch.runs.values()), present, lease.name)
        _write_transitions(batch, present)
        statuses = [status for status in batch.statuses.values() if status.service in present]
        _write_statuses(statuses)
        for status in statuses:
            if changes := published.changes(status):
                labels = group_label(present[status.service])
                facts.append(Fact("service", status.key, changes, labels))
        tick = batch.tick if batch.tick is not None and not published.has_tick(batch.tick) else None
        if tick is not None:
            write_tick(lease.name, tick)
        add(restarts(batch.transitions, {status.service: status.key for status in statuses}))
        publish_all(facts)
    for status in statuses:
        published.learn(status)
    if tick is not None:
        published.learn_tick(tick)


def take_over_runs(lease: Lease, taken_over: TakenOver) -> int:
    """End the node's runs that are open in the table and nobody knows of; return how many these were.

    And make the rows of those that it never heard of, since their supervisor was killed too early. Under
    the lease, in one transaction. Raises NodeTaken.
    """
    ids = [UUID(run.run_id) for run in taken_over.runs]
    with transaction.atomic():
        leases.hold(lease)
        known = set(Run.objects.filter(run_id__in=ids).values_list("run_id", flat=True))
        unknown = [run for run in taken_over.runs if UUID(run.run_id) not in known]
        present = _present(Batch(runs={run.run_id: run for run in unknown}))
        replaced = _close_replaced(taken_over.runs, taken_over.runs)
        rest = Run.objects.filter(node=lease.name, ended_at__isnull=True).exclude(run_id__in=ids)
        closed = rest.update(ended_at=taken_over.at, exit_source=ExitSource.UNKNOWN)
        _write_runs(unknown, present, lease.name)
    return replaced + closed


def _close_replaced(newer: Iterable[RunRow], rows: Iterable[RunRow]) -> int:
    """End the open runs of services that have a newer one; but none of ``rows``.

    Their supervisor died before it could write that, and they would stand in the way of the constraint
    for ever. A run has ended before the next one of its service began, at the latest.
    """
    began: dict[int | None, datetime] = {run.service: run.started_at for run in newer if run.service}
    if not began:
        return 0
    lost = Run.objects.filter(service__in=began, ended_at__isnull=True).exclude(
        run_id__in=[UUID(run.run_id) for run in rows]
    )
    now = timezone.now()
    closed = 0
    for run in lost:
        run.ended_at = max(run.started_at, min(now, began.get(run.service_id, now)))
        run.exit_source = ExitSource.UNKNOWN
        run.save(update_fields=["ended_at", "exit_source"])
        closed += 1
    return closed


def _present(batch: Batch) -> dict[int, str]:
    """Return which of the services of ``batch`` there are, each with the group that it is in. One query."""
    wanted = {status.service for status in batch.statuses.values()}
    wanted |= {transition.service for transition in batch.transitions}
    wanted |= {run.service for run in batch.runs.values() if run.service is not None}
    if not wanted:
        return {}
    if connection.vendor == "postgresql":
        return _held(wanted)
    return dict(Service.objects.filter(pk__in=wanted).values_list("pk", "group"))


def _held(wanted: set[int]) -> dict[int, str]:
    """Return what :func:`_present` does, and keep the services from being deleted until the transaction ends.

    In the order of ``ServiceQuerySet.hold``. They may be edited meanwhile, which Django cannot say.
    """
    table = connection.ops.quote_name(Service._meta.db_table)
    # The table's name is the model's own.
    query = f'SELECT id, "group" FROM {table} WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE'  # noqa: S608  # nosec B608
    with connection.cursor() as cursor:
        cursor.execute(query, [list(wanted)])
        return dict(cursor.fetchall())


def _write_runs(rows: list[RunRow], present: Container[int], node: str) -> None:
    if not rows:
        return
    rows = [run if run.service in present else replace(run, service=None) for run in rows]
    _close_replaced([run for run in rows if run.ended_at is None], rows)
    # Ends first: the constraint "one live run per service" is checked row by row.
    _upsert([run for run in rows if run.ended_at is not None], node)
    _upsert([run for run in rows if run.ended_at is None], node)


def _upsert(rows: list[RunRow], node: str) -> None:
    # When an adopted run became ready is known to the table alone.
    for known in (True, False):
        same = [run for run in rows if (run.ready_at is not None) is known]
        Run.objects.bulk_create(
            [_run(run, node) for run in same],
            update_conflicts=True,
            unique_fields=["run_id"],
            update_fields=[name for name in _RUN_CHANGES if known or name != "ready_at"],
            batch_size=500,
        )


def _run(run: RunRow, node: str) -> Run:
    return Run(
        run_id=UUID(run.run_id),
        service_id=run.service,
        service_key=run.key,
        node=node,
        pid=run.pid,
        start_ticks=run.start_ticks,
        boot_id=run.boot_id,
        command=list(run.command),
        reason=run.reason,
        started_at=run.started_at,
        ready_at=run.ready_at,
        ended_at=run.ended_at,
        exit_code=run.exit_code,
        exit_signal=run.exit_signal[:16],
        exit_source=run.exit_source or "",
        end_reason=run.end_reason,
        log_offset=run.log_offset,
    )


def _write_transitions(batch: Batch, present: Container[int]) -> None:
    rows = [row for row in batch.transitions if row.service in present]
    if rows and batch.lost:
        note = f"({batch.lost} earlier changes on this node were lost: the database was away for too long)"
        rows[0] = rows[0].with_note(note)
    Transition.objects.bulk_create([_transition(row) for row in rows], batch_size=500)


def _transition(row: TransitionRow) -> Transition:
    return Transition(
        service_id=row.service,
        at=row.at,
        from_state=row.before,
        to_state=row.after,
        reason=row.reason,
        detail=row.detail,
        pid=row.pid,
        run_id=UUID(row.run_id) if row.run_id else None,
        operation_id=row.operation,
    )


def _write_statuses(rows: list[StatusRow]) -> None:
    """One ``executemany``: a thousand updates by the ORM would take a third of a second."""
    if not rows:
        return
    quote = connection.ops.quote_name
    fields: list[Any] = [ServiceStatus._meta.get_field(name) for name in _STATUS_FIELDS]
    assignments = ", ".join(f"{quote(field.column)} = %s" for field in fields)
    table, key = quote(ServiceStatus._meta.db_table), quote("service_id")
    values = [
        [*(f.get_db_prep_save(getattr(row, f.name), connection) for f in fields), row.service] for row in rows
    ]
    with connection.cursor() as cursor:
        # Table and columns are the model's own.
        cursor.executemany(f"UPDATE {table} SET {assignments} WHERE {key} = %s", values)  # noqa: S608  # nosec B608
