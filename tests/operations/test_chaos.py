"""Two workers and two hundred operations with kill -9 at random moments: each ends once, and says how.

``MEDIMGR_TEST_SEED`` repeats the dice of a failure (its timing nobody can repeat).
"""

import os
import secrets
from collections import Counter

import pytest

from tests.operations.chaos_promises import complaints
from tests.operations.chaos_world import ChaosWorld
from tests.operations.worker_nursery import CHORE_LEASE_SECONDS, LEASE_SECONDS, REAP_SECONDS
from tests.running import Instance, wait_for

pytestmark = pytest.mark.both_databases

RAGE_SECONDS = float(os.environ.get("MEDIMGR_TEST_RAGE_SECONDS") or 4)
# A reaper that is killed over its work is followed by another one after the chore's lease; the rest is for
# a busy machine.
LATEST = REAP_SECONDS + CHORE_LEASE_SECONDS + LEASE_SECONDS + 1.5


@pytest.fixture
def seed() -> str:
    return os.environ.get("MEDIMGR_TEST_SEED") or secrets.token_hex(4)


def test_every_operation_ends_once_while_workers_are_killed(instance: Instance, seed: str) -> None:
    with ChaosWorld(instance, seed) as world:
        world.begin(200)
        world.rage(RAGE_SECONDS)
        seen = world.settle(40)
    broken = complaints(seen)
    assert not broken, f"MEDIMGR_TEST_SEED={seed}\n" + "\n".join(broken) + instance.outputs()
    codes = Counter(row.error_code for row in seen.rows.values())
    print(seed, dict(world.kills), f"overdue {world.longest_overdue:.1f} s", dict(world.most), dict(codes))  # noqa: T201
    assert world.kills["SIGKILL"] >= 3
    assert codes["lease-lost"] + codes["worker-stopped"], "Nothing was killed over work."
    assert world.longest_overdue < LATEST
    assert world.most["service.two"] <= 2
    assert world.most["service.narrow"] <= 3


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ("begin_again_what_was_lost", "did its begin 2 times"),
        ("repeat_everything", "by itself, though"),
    ],
)
def test_a_fault_of_the_engine_would_be_seen(
    instance: Instance, seed: str, fault: str, complaint: str
) -> None:
    with ChaosWorld(instance, seed) as world:
        world.begin(4, fault, kind="service.gated")
        wait_for(lambda: len(world.lines()) == 4, 20, "all are under way", instance.outputs)
        world.kill_all()
        wait_for(lambda: len(world.lines()) > 4, 20, "something is begun again", instance.outputs)
        world.open_gate()
        broken = complaints(world.settle(20))
    assert any(complaint in line for line in broken), (seed, broken)
