"""The database was away for longer than a lease: who lives through that is not taken for dead."""

import secrets
from collections import Counter
from datetime import timedelta

import pytest
from django.utils import timezone

from operations import housekeeping, lifecycle
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


def test_work_that_goes_on_through_an_outage_longer_than_its_lease_succeeds(instance: Instance) -> None:
    with ChaosWorld(instance, secrets.token_hex(4)) as world:
        world.begin(6, kind="service.gated", lease_seconds=3)
        wait_for(lambda: len(world.lines()) == 6, 20, "all are under way", instance.outputs)
        for _ in range(2):
            with database_stopped(instance.database_url):
                world.go_on(4)
            world.go_on(1)
        world.open_gate()
        seen = world.settle(30)
    assert Counter(row.error_code for row in seen.rows.values()) == {"": 6}, instance.outputs()
    assert complaints(seen) == [], instance.outputs()
