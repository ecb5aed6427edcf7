"""The database was away for longer than a lease: who lives through that is not taken for dead."""

import secrets
from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from operations import chores, housekeeping, lifecycle
from operations.chores import Chore, ChoreRunner
from operations.models import ChoreRun
from operations.registry import WORKER_QUEUE
from operations.states import Status
from tests.operations.asking import ask, fresh
from tests.operations.chaos_promises import complaints
from tests.operations.chaos_world import ChaosWorld
from tests.operations.stopped_database import database_stopped
from tests.running import Instance, wait_for

pytestmark = pytest.mark.both_databases


@pytest.mark.django_db
def test_the_first_look_after_a_gap_ends_nothing() -> None:
    asked = ask()
    lifecycle.claim(WORKER_QUEUE, "w", lease_seconds=-1)
    chore = ChoreRun.objects.create(
        name=housekeeping.REAP, next_at=timezone.now(), finished_at=timezone.now() - timedelta(seconds=40)
    )
    assert housekeeping.reap() == "nobody had looked for 40 s: whoever lives may renew first"
    assert fresh(asked).status == Status.RUNNING
    ChoreRun.objects.filter(pk=chore.pk).update(finished_at=timezone.now() - timedelta(seconds=5))
    assert housekeeping.reap() == "ended 1 operation(s) that nobody carries out"
    assert fresh(asked).error_code == "lease-lost"


@pytest.mark.django_db
def test_where_the_end_of_the_first_look_was_not_stored_the_second_ends_nothing_either() -> None:
    asked = ask()
    lifecycle.claim(WORKER_QUEUE, "w", lease_seconds=-1)
    ChoreRun.objects.create(name=housekeeping.REAP, next_at=timezone.now())
    assert housekeeping.reap() == "nobody had looked before: whoever lives may renew first"
    assert fresh(asked).status == Status.RUNNING


@pytest.mark.django_db(transaction=True)
def test_how_a_chore_went_is_stored_once_the_database_is_back(caplog: pytest.LogCaptureFixture) -> None:
    runs: list[int] = []

    def sweep() -> str:
        runs.append(1)
        rename("operations_chorerun", "taken_away")
        return "swept"

    before = chores.all_chores()
    for name in before:
        chores.unregister(name)
    chores.register(Chore("sweep", 60.0, sweep))
    runner = ChoreRunner("w1", look_seconds=0.05)
    runner.start()
    try:
        wait_for(lambda: "is not stored yet" in caplog.text, 10, "it is noticed")
        rename("taken_away", "operations_chorerun")
        wait_for(lambda: ChoreRun.objects.get().result == "swept", 10, "it is stored")
        assert ChoreRun.objects.get().owner == ""
        assert runs == [1]
    finally:
        runner.end(5)
        for chore in before.values():
            chores.register(chore)
        chores.unregister("sweep")


def rename(table: str, name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO {name}")


def test_work_that_goes_on_through_an_outage_longer_than_its_lease_succeeds(instance: Instance) -> None:
    with ChaosWorld(instance, secrets.token_hex(4)) as world:
        world.begin(6, kind="service.gated", lease_seconds=3)
        wait_for(lambda: len(world.lines()) == 6, 20, "all are under way", instance.outputs)
        with database_stopped(instance.database_url):
            world.go_on(4)
        world.go_on(1)
        world.open_gate()
        seen = world.settle(30)
    assert Counter(row.error_code for row in seen.rows.values()) == {"": 6}, instance.outputs()
    assert complaints(seen) == [], instance.outputs()
