"""Purge deletes finished operations by age, in small batches, and never one that waits or runs."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from operations import lifecycle
from operations.intake import retry
from operations.models import Operation
from operations.purge import purge
from operations.purge_operation import KIND
from operations.states import ACTIVE, FINISHED, Status
from tests.operations.asking import ALICE, ask, fresh, together

pytestmark = [pytest.mark.both_databases]

AGES = (0.0, 0.9, 1.1, 1000.0)


def make(status: Status, hours: float, key: str, **more: Any) -> Operation:
    """Store an operation that was created, and ended where it has, ``hours`` ago."""
    moment = timezone.now() - timedelta(hours=hours)
    return Operation.objects.create(
        kind="service.work",
        target_type="service",
        target_key=key,
        queue="worker",
        requester="alice",
        source="api",
        status=status,
        created_at=moment,
        run_after=moment,
        deadline_at=moment,
        started_at=None if status == Status.PENDING else moment,
        finished_at=moment if status in FINISHED else None,
        **more,
    )


def make_all() -> None:
    for number, status in enumerate(sorted(Status)):
        for age in AGES:
            make(status, age, f"{number}-{age}")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("keep_hours", [0.0, 1.0, 500.0, 2000.0])
def test_only_what_ended_long_enough_ago_goes(keep_hours: float, capsys: pytest.CaptureFixture[str]) -> None:
    make_all()
    going = [age for age in AGES if age >= keep_hours]
    call_command("purge_operations", keep_hours=keep_hours)
    expected = len(going) * len(FINISHED)
    assert capsys.readouterr().out == f"Deleted {expected} finished operations older than {keep_hours:g} h.\n"
    assert Operation.objects.active().count() == len(ACTIVE) * len(AGES)
    left = Operation.objects.finished().exclude(kind=KIND)
    assert left.count() == (len(AGES) - len(going)) * len(FINISHED)


@pytest.mark.django_db(transaction=True)
def test_an_hour_is_kept_unless_told_otherwise(capsys: pytest.CaptureFixture[str]) -> None:
    make_all()
    call_command("purge_operations")
    assert capsys.readouterr().out == "Deleted 8 finished operations older than 1 h.\n"


@pytest.mark.django_db
def test_a_dry_run_counts_and_deletes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    make_all()
    before = Operation.objects.count()
    call_command("purge_operations", "--dry-run")
    assert capsys.readouterr().out == "Would delete 8 finished operations older than 1 h.\n"
    assert Operation.objects.count() == before


@pytest.mark.django_db(transaction=True)
def test_one_is_called_one(capsys: pytest.CaptureFixture[str]) -> None:
    make(Status.SUCCESS, 2, "a")
    call_command("purge_operations", "--keep-hours", "1.5")
    assert capsys.readouterr().out == "Deleted 1 finished operation older than 1.5 h.\n"


BAD = [
    (["--keep-hours", "-1"], "'-1' is no age"),
    (["--keep-hours", "nan"], "'nan' is no age"),
    (["--keep-hours", "inf"], "'inf' is no age"),
    (["--keep-hours", "1e12"], "'1e12' is no age"),
    (["--keep-hours", "soon"], "'soon' is not a number of hours"),
    (["--keep-per-target", "-1"], "'-1' is not a number of operations from 0 to 10000"),
    (["--keep-per-target", "1.5"], "'1.5' is not a number of operations"),
    (["--batch-size", "0"], "'0' is not a number of rows from 1 to 10000"),
    (["--batch-size", "1000000"], "'1000000' is not a number of rows"),
]


@pytest.mark.django_db
@pytest.mark.parametrize("more", [[], ["--dry-run"], ["--status"]])
@pytest.mark.parametrize(("arguments", "words"), BAD)
def test_bad_values_end_with_status_2_and_a_message(
    arguments: list[str], words: str, more: list[str]
) -> None:
    make(Status.SUCCESS, 5000, "a")
    with pytest.raises(CommandError) as caught:
        call_command("purge_operations", *(f"{arguments[0]}={arguments[1]}", *more))
    assert caught.value.returncode == 2
    assert str(caught.value).startswith("bad-parameters: ")
    assert words in str(caught.value)
    assert Operation.objects.count() == 1


@pytest.mark.django_db
def test_a_database_that_fails_is_an_error_with_a_message() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE operations_operation RENAME TO taken_away")
    try:
        with pytest.raises(CommandError, match=r"could not be used.*operations_operation") as caught:
            call_command("purge_operations", "--dry-run")
        assert caught.value.returncode == 1
    finally:
        if connection.vendor == "sqlite":  # PostgreSQL rolls it back with the test
            with connection.cursor() as cursor:
                cursor.execute("ALTER TABLE taken_away RENAME TO operations_operation")


@pytest.mark.django_db(transaction=True)
def test_batches_are_bounded_and_each_is_a_transaction_of_its_own() -> None:
    for number in range(25):
        make(Status.FAILED, 2, f"t{number}")
    sizes: list[int] = []
    with CaptureQueriesContext(connection) as queries:
        assert purge(timezone.now(), batch_size=10, progress=sizes.append) == 25
    assert sizes == [10, 20, 25]
    begun = [query["sql"] for query in queries if query["sql"].startswith("BEGIN")]
    assert len(begun) == 3
    # Nothing grows with the number of rows but the lists of ids.
    assert len(queries) <= 3 * 9 + 8


@pytest.mark.django_db
def test_a_purge_can_be_stopped_between_batches_and_keeps_what_is_done() -> None:
    for number in range(5):
        make(Status.SUCCESS, 2, f"t{number}")

    class Enough(Exception):
        pass

    def stop(done: int) -> None:
        raise Enough

    with pytest.raises(Enough):
        purge(timezone.now(), batch_size=2, progress=stop)
    assert Operation.objects.count() == 3


@pytest.mark.django_db
def test_a_retry_outlives_what_it_points_at() -> None:
    old = make(Status.FAILED, 2, "a")
    new = make(Status.PENDING, 0, "a", retry_of=old)
    assert purge(timezone.now() - timedelta(hours=1)) == 1
    assert fresh(new).retry_of is None


@pytest.mark.django_db(transaction=True)
def test_purge_and_retry_at_the_same_moment_leave_no_broken_link() -> None:
    for _ in range(8):
        ask()
        [old] = lifecycle.claim("worker", "w")
        lifecycle.finish(old, Status.FAILED, "code")
        purged, retried = together(
            lambda: purge(timezone.now() + timedelta(seconds=1)),
            lambda old=old: retry(old, ALICE),  # type: ignore[misc]
        )
        assert purged in (0, 1), purged
        for row in Operation.objects.all():
            assert row.retry_of_id is None or Operation.objects.filter(pk=row.retry_of_id).exists()
        if isinstance(retried, Operation):
            assert fresh(retried).status == Status.PENDING
            lifecycle.request_cancel(retried, ALICE)
        else:
            assert type(retried).__name__ == "OperationGone", retried
        purge(timezone.now() + timedelta(seconds=1))
