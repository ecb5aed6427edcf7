"""Chores that keep time however long they take, that end when their worker does, and cost few writes."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from operations import chores
from operations.chores import Chore, ChoreRunner, carry_out, take_due
from operations.models import ChoreRun
from tests.running import wait_for

pytestmark = pytest.mark.both_databases


@pytest.fixture
def only_mine() -> Iterator[None]:
    """Have no chores registered but the test's own."""
    before = chores.all_chores()
    for name in before:
        chores.unregister(name)
    yield
    for name in chores.all_chores():
        chores.unregister(name)
    for known in before.values():
        chores.register(known)


@pytest.mark.django_db
def test_a_steady_chore_is_due_at_the_beat_of_the_clock_however_long_it_took() -> None:
    def takes_a_while() -> None:
        time.sleep(0.05)  # what its next time is to leave out

    steady = {"look": Chore("look", 60.0, takes_a_while, steady=True)}
    [taken] = take_due("w1", steady)
    carry_out(taken, "w1")
    row = ChoreRun.objects.get(name="look")
    assert row.next_at.timestamp() % 60 == pytest.approx(0, abs=0.001)
    assert row.finished_at is not None
    assert timedelta() < row.next_at - row.finished_at <= timedelta(seconds=60)


@pytest.mark.parametrize(("ended", "due"), [(0.0, 30.0), (29.99, 30.0), (30.0, 60.0), (31.0, 60.0)])
def test_the_next_beat_is_always_ahead(ended: float, due: float) -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    steady = Chore("look", 30.0, lambda: None, steady=True)
    assert steady.next_after(begin + timedelta(seconds=ended)) == begin + timedelta(seconds=due)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("only_mine")
def test_a_chore_that_takes_long_learns_that_its_worker_stops() -> None:
    began = threading.Event()

    def run() -> str:
        began.set()
        return "told" if chores.stopping().wait(20) else "never told"

    chores.register(Chore("long", 60.0, run))
    runner = ChoreRunner("w1", look_seconds=0.02)
    runner.start()
    assert began.wait(5)
    begin = time.monotonic()
    runner.end(grace_seconds=5.0)
    assert time.monotonic() - begin < 2
    row = ChoreRun.objects.get(name="long")
    assert (row.owner, row.result) == ("", "told")


def test_outside_of_a_chore_nobody_says_stop() -> None:
    assert not chores.stopping().is_set()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("only_mine")
def test_the_lease_of_a_long_chore_is_renewed_before_it_runs_out_but_not_at_each_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    renewals: list[list[str]] = []
    renew = chores.renew

    def counted(owner: str, names: list[str]) -> None:
        renewals.append(names)
        renew(owner, names)

    monkeypatch.setattr(chores, "renew", counted)
    monkeypatch.setattr(chores, "RENEW_SECONDS", 0.2)
    chores.register(Chore("long", 60.0, lambda: str(chores.stopping().wait(20))))
    runner = ChoreRunner("w1", look_seconds=0.01)
    runner.start()
    begin = time.monotonic()
    try:
        wait_for(lambda: len(renewals) >= 4, 10, "the lease was renewed again and again")
        assert time.monotonic() - begin >= 0.6, "It is renewed at each look."
        lease = ChoreRun.objects.get(name="long").lease_until
        assert lease is not None
        assert lease > timezone.now() + timedelta(seconds=chores.LEASE_SECONDS - 5)
    finally:
        runner.end(grace_seconds=5.0)
