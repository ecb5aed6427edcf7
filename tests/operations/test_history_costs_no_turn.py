"""However much has ended, whoever hands out, carries out and ends operations never walks through it."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from operations import lifecycle
from operations.due_times import DueTimes
from operations.registry import WORKER_QUEUE
from operations.states import Status
from tests.benchmarks.seeding import History, seed_history
from tests.operations.asking import ALICE, ask, declare, fresh

SMALL_INDEXES = ("operation_pending", "operation_leases", "operation_batch")
"""They hold no row that has ended, or few."""


@pytest.fixture(params=["never", "now", "as a million"])
def history(request: pytest.FixtureRequest) -> None:
    """Have 3000 operations that have ended, in a database that has counted its rows, or never did."""
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL plans by what it has counted, which for so few rows says: walk through.")
    seed_history(History(3000, lines=1))  # has the database count
    with connection.cursor() as cursor:
        if request.param == "never":
            cursor.execute("DELETE FROM sqlite_stat1")
        elif request.param == "as a million":
            cursor.execute("SELECT rowid, stat FROM sqlite_stat1")
            for rowid, stat in cursor.fetchall():
                many = " ".join(text if text in ("1", "0") else f"{text}000" for text in stat.split())
                cursor.execute("UPDATE sqlite_stat1 SET stat = %s WHERE rowid = %s", [many, rowid])
        cursor.execute("ANALYZE sqlite_schema")


def walks(captured: CaptureQueriesContext) -> list[str]:
    """Return the statements that walk through the operations, with how."""
    found = []
    for one in captured.captured_queries:
        sql = one["sql"]
        if not sql.startswith(("SELECT", "UPDATE", "DELETE")):
            continue
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            plan = "; ".join(row[-1] for row in cursor.fetchall())
        if not any(f"SCAN {table}" in plan for table in ("operations_operation", "operations_batch")):
            continue
        if (
            not any(f"INDEX {name}" in plan for name in SMALL_INDEXES)
            and "ORDER BY 1 DESC LIMIT 1" not in sql
        ):
            found.append(f"{plan}: {sql}")
    return found


@pytest.mark.django_db
@pytest.mark.usefixtures("history", "kinds")
def test_no_walk_from_asking_to_the_end() -> None:
    declare("service.work", at_once=1)
    with CaptureQueriesContext(connection) as captured:
        operation = ask(key="a")
        later = ask(key="b", run_after=timezone.now() + timedelta(hours=1))
        DueTimes(WORKER_QUEUE).seconds()
        taken = lifecycle.claim(WORKER_QUEUE, "w")
        lifecycle.renew(taken)
        lifecycle.standing("w")
        lifecycle.report(taken[0], 1, 2, "halfway")
        lifecycle.request_cancel(later, ALICE)
        lifecycle.finish_all([lifecycle.End(row, Status.SUCCESS) for row in taken])
    assert [row.pk for row in taken] == [operation.pk]
    assert walks(captured) == []


@pytest.mark.django_db
@pytest.mark.usefixtures("history", "kinds")
def test_no_walk_to_end_what_nobody_carries_out() -> None:
    declare("service.work")
    first, second = ask(key="a"), ask(key="b")
    lifecycle.claim(WORKER_QUEUE, "w", limit=1)
    with CaptureQueriesContext(connection) as captured:
        assert lifecycle.reap(timezone.now() + timedelta(days=2)) == 2
        lifecycle.fail_abandoned(WORKER_QUEUE, "w")
    assert fresh(first).finished_at
    assert fresh(second).finished_at
    assert walks(captured) == []
