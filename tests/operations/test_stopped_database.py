"""The database is stopped while operations run, and started again: what was done is not forgotten."""

import secrets
from collections import Counter

import pytest

from operations.models import Operation
from operations.states import Status
from tests.operations.chaos_promises import complaints
from tests.operations.chaos_world import ChaosWorld
from tests.operations.stopped_database import database_stopped
from tests.running import Instance, wait_for

pytestmark = pytest.mark.both_databases


def test_what_ended_while_the_database_was_away_is_stored_when_it_is_back(instance: Instance) -> None:
    with ChaosWorld(instance, secrets.token_hex(4)) as world:
        world.begin(6, kind="service.gated", lease_seconds=60)
        wait_for(lambda: len(world.lines()) == 6, 20, "all are under way", instance.outputs)
        with database_stopped(instance.database_url):
            world.open_gate()
            wait_for(lambda: len(world.lines()) == 12, 20, "all are done", instance.outputs)
            # The worker has noticed, and tries again.
            wait_for(lambda: "not stored yet" in world.output(), 20, "it says so", instance.outputs)
        seen = world.settle(30)
    assert complaints(seen) == [], instance.outputs()
    assert Counter(row.status for row in seen.rows.values()) == {Status.SUCCESS: 6}, instance.outputs()
    assert {row.lease_token for row in seen.rows.values()} == {1}


def test_an_outage_longer_than_a_lease_leaves_no_operation_without_an_end(instance: Instance) -> None:
    seed = secrets.token_hex(4)
    with ChaosWorld(instance, seed) as world:
        world.begin(60)
        world.wait_until_asked()
        for seconds in (0.4, 2.2):
            with database_stopped(instance.database_url):
                world.go_on(seconds)
            world.go_on(0.7)
        seen = world.settle(40)
        # And it goes on as before.
        with instance.database():
            again = world.ask_for_one()
            wait_for(lambda: Operation.objects.get(pk=again.pk).finished_at, 20, "one more", instance.outputs)
            assert Operation.objects.get(pk=again.pk).status == Status.SUCCESS
    assert complaints(seen) == [], instance.outputs()
