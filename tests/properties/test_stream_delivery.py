"""Every client gets every committed event of its topics exactly once and in order, whatever happens.

Real web workers, publishers and connections, all at random. ``MEDIMGR_TEST_SEED`` repeats the dice of a
failure (its timing nobody can repeat).
"""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import DjangoDbBlocker

from tests.events.conftest import Site, running_site
from tests.properties.delivery_world import DeliveryWorld

pytestmark = pytest.mark.both_databases

RAGE_SECONDS = float(os.environ.get("MEDIMGR_TEST_RAGE_SECONDS") or 5)


@pytest.fixture
def seed() -> str:
    return os.environ.get("MEDIMGR_TEST_SEED") or secrets.token_hex(4)


@pytest.fixture
def site(tmp_path: Path, django_db_blocker: DjangoDbBlocker) -> Iterator[Site]:
    with running_site(tmp_path, django_db_blocker) as site:
        yield site


def test_nothing_is_lost_doubled_or_out_of_order_while_everything_goes_wrong(site: Site, seed: str) -> None:
    site.start_worker()
    world = DeliveryWorld(site, seed)
    world.begin(watchers=8, publishers=2)
    world.rage(RAGE_SECONDS)
    complaints = world.settle()
    assert not complaints, f"MEDIMGR_TEST_SEED={seed}\n" + "\n".join(complaints)
    print(f"{len(world.truth)} events, {world.visits} streams, {world.resets} resets")  # noqa: T201
    assert len(world.truth) > 300
    assert world.visits > 50
    site.assert_quiet()


@pytest.mark.parametrize(
    ("fault", "consequence"),
    [
        ("skip_an_event", "lost"),
        ("replay_one_too_many", "doubled"),
        ("forget_what_comes_while_the_replay_is_read", "lost"),
    ],
)
def test_a_fault_of_a_web_worker_would_be_seen(
    tmp_path: Path, django_db_blocker: DjangoDbBlocker, seed: str, fault: str, consequence: str
) -> None:
    with running_site(tmp_path, django_db_blocker, fault=fault) as site:
        world = DeliveryWorld(site, seed)
        world.begin(watchers=6, publishers=1)
        world.run_on(200)
        complaints = world.settle()
        assert any(consequence in complaint for complaint in complaints), (seed, complaints)


@pytest.mark.skipif(
    os.environ.get("MEDIMGR_TEST_DATABASE") != "postgresql",
    reason="SQLite has one writer, which cannot be told not to wait.",
)
def test_a_publisher_that_does_not_wait_for_its_turn_would_be_seen(site: Site, seed: str) -> None:
    world = DeliveryWorld(site, seed)
    world.begin(watchers=6, publishers=2, fault="without-lock")
    world.run_on(200)
    complaints = world.settle()
    assert any("lost" in complaint for complaint in complaints), (seed, complaints)
