"""What benchmarks measure is like what an installation has: seeded operations fit each other."""

from datetime import timedelta

import pytest
from django.db.models import Count, F, Q, Sum
from django.utils import timezone

from operations.lifecycle import claim
from operations.models import Batch, LogPart, Operation
from operations.purge import purge, purgeable
from operations.states import ACTIVE_VALUES, FINISHED_VALUES
from tests.benchmarks.bulk_insert import bulk_insert
from tests.benchmarks.seeding import History, seed_history, seed_waiting

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def test_a_seeded_history_has_every_end_and_the_log_that_its_rows_speak_of() -> None:
    ids = seed_history(History(400, lines=4))
    rows = Operation.objects.filter(pk__in=ids)
    assert rows.count() == 400 == rows.finished().count()
    assert set(rows.values_list("status", flat=True)) == set(FINISHED_VALUES)
    assert LogPart.objects.count() == 400
    for part in LogPart.objects.select_related("operation")[:20]:
        assert part.operation.log_lines == len(part.lines) == 4
        assert part.operation.log_bytes == sum(len(text) for _, _, text in part.lines)
        assert {level for _, level, _ in part.lines} == {"info"}
    assert not rows.filter(Q(started_at__lt=F("created_at")) | Q(finished_at__lt=F("started_at"))).exists()


def test_the_counts_of_seeded_batches_are_those_of_their_rows() -> None:
    seed_history(History(600, lines=0))
    assert 1 < Batch.objects.count() < 30
    for batch in Batch.objects.all():
        rows = Operation.objects.filter(batch=batch.pk)
        told = rows.aggregate(
            total=Count("id"),
            succeeded=Count("id", filter=Q(status="SUCCESS")),
            failed=Count("id", filter=Q(status__in=["FAILED", "TIMEOUT"])),
            cancelled=Count("id", filter=Q(status="CANCELLED")),
        )
        assert told == {name: getattr(batch, name) for name in told}
        assert batch.done == batch.total
        assert batch.created_at <= batch.finished_at  # type: ignore[operator]
    assert Batch.objects.aggregate(Sum("total"))["total__sum"] < 600


def test_the_orm_goes_on_behind_seeded_rows_and_a_second_seeding_behind_the_first() -> None:
    first = seed_history(History(30))
    second = seed_history(History(30))
    assert second.start == first.stop
    (made,) = seed_waiting(1, "service.restart")
    now = timezone.now()
    own = Operation.objects.create(
        kind="service.stop",
        target_type="service",
        target_key="own",
        queue="worker",
        created_at=now,
        run_after=now,
        deadline_at=now,
    )
    assert made == second.stop
    assert own.pk > made


def test_seeded_rows_are_purged_and_claimed_like_any_other() -> None:
    seed_history(History(50, lines=0, newest_hours=2.0))
    waiting = seed_waiting(7, "service.restart")
    assert purgeable(timezone.now() - timedelta(hours=1)).count() == 50
    assert purgeable(timezone.now() - timedelta(days=30)).count() <= 1
    purge(timezone.now() - timedelta(hours=1))
    assert [one.pk for one in claim("worker", "me")] == list(waiting)
    assert set(Operation.objects.values_list("status", flat=True)) <= set(ACTIVE_VALUES)


def test_the_same_seed_makes_the_same_rows() -> None:
    def told() -> list[tuple[object, ...]]:
        return list(Operation.objects.order_by("id").values_list("kind", "target_key", "status", "requester"))

    seed_history(History(40))
    first = told()
    Operation.objects.all().delete()
    seed_history(History(40))
    assert told() == first
    Operation.objects.all().delete()
    seed_history(History(40, seed=6))
    assert told() != first


def test_a_field_that_the_model_lacks_is_refused() -> None:
    with pytest.raises(ValueError, match="no field colour"):
        bulk_insert(Batch, [{"id": "x", "colour": "blue"}])
    assert bulk_insert(Batch, []) == 0
