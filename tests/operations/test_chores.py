"""Each chore is run when it is due, by one worker at a time, and a failing one says its name."""

import logging
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from operations import chores
from operations.chores import Chore, ChoreRunner, carry_out, take_due
from operations.models import ChoreRun
from tests.operations.asking import together
from tests.running import wait_for

pytestmark = pytest.mark.both_databases


def nothing() -> None:
    """Do nothing."""


def chore(name: str = "sweep", every: float = 60.0, run: object = nothing) -> dict[str, Chore]:
    return {name: Chore(name, every, run)}  # type: ignore[arg-type]


def row(name: str = "sweep") -> ChoreRun:
    return ChoreRun.objects.get(name=name)


def set_back(moment: datetime | None = None, **fields: object) -> None:
    ChoreRun.objects.update(next_at=moment or timezone.now(), **fields)


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
def test_a_new_chore_is_due_at_once_and_then_after_its_interval() -> None:
    sweep = chore(every=60.0, run=lambda: "swept 3 rooms")
    [taken] = take_due("w1", sweep)
    assert (row().owner, row().lease_until is not None) == ("w1", True)
    carry_out(taken, "w1")
    done = row()
    assert (done.owner, done.lease_until, done.result, done.error) == ("", None, "swept 3 rooms", "")
    assert done.finished_at is not None
    assert timedelta(seconds=59) < done.next_at - done.finished_at < timedelta(seconds=61)
    assert take_due("w1", sweep) == []
    set_back()
    assert [one.name for one in take_due("w2", sweep)] == ["sweep"]


@pytest.mark.django_db
def test_a_chore_that_somebody_runs_is_not_taken() -> None:
    sweep = chore()
    assert take_due("w1", sweep)
    set_back()
    assert take_due("w2", sweep) == []


@pytest.mark.django_db
def test_a_chore_whose_worker_died_is_taken_over_and_named(caplog: pytest.LogCaptureFixture) -> None:
    sweep = chore()
    take_due("w1", sweep)
    set_back(lease_until=timezone.now() - timedelta(seconds=1))
    assert [one.name for one in take_due("w2", sweep)] == ["sweep"]
    assert "chore sweep" in caplog.text
    assert "w1" in caplog.text
    # The one that was thought dead comes back late: it changes nothing.
    carry_out(sweep["sweep"], "w1")
    assert row().owner == "w2"


@pytest.mark.django_db
def test_a_renewed_lease_is_not_taken_over() -> None:
    sweep = chore()
    take_due("w1", sweep)
    set_back(lease_until=timezone.now() - timedelta(seconds=1))
    chores.renew("w1", ["sweep"])
    assert take_due("w2", sweep) == []


@pytest.mark.django_db
def test_a_chore_that_fails_says_its_name_and_comes_again(caplog: pytest.LogCaptureFixture) -> None:
    def run() -> str:
        raise RuntimeError("password=hunter2")

    sweep = chore(run=run)
    take_due("w1", sweep)
    carry_out(sweep["sweep"], "w1")
    assert "chore sweep failed" in caplog.text
    assert "RuntimeError" in row().error
    assert "hunter2" not in row().error
    assert row().owner == ""
    set_back()
    assert take_due("w1", chore(run=lambda: "swept"))
    carry_out(chore(run=lambda: "swept")["sweep"], "w1")
    assert (row().result, row().error) == ("swept", "")


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_one_runs_a_due_chore() -> None:
    sweep = chore()
    for _ in range(5):
        hauls = together(*[lambda n=n: take_due(f"w{n}", sweep) for n in range(4)])
        assert sum(len(haul) for haul in hauls) == 1, hauls
        set_back(owner="", lease_until=None)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("only_mine")
def test_the_runner_runs_each_chore_again_and_again_and_a_slow_one_holds_up_none() -> None:
    go_on, quick = threading.Event(), []
    chores.register(Chore("slow", 60.0, lambda: "waited" if go_on.wait(10) else "gave up"))
    chores.register(Chore("quick", 0.05, lambda: quick.append(1)))
    chores.register(Chore("broken", 0.05, lambda: str(1 // 0)))
    runner = ChoreRunner("w1", look_seconds=0.02)
    runner.start()
    try:
        wait_for(lambda: len(quick) >= 3, 10, "the quick chore ran three times")
        assert row("slow").owner == "w1"
        assert "ZeroDivisionError" in row("broken").error
    finally:
        go_on.set()
        runner.end(grace_seconds=5.0)
    assert not runner.is_alive()
    assert (row("slow").owner, row("slow").result) == ("", "waited")
    count = len(quick)
    time.sleep(0.1)  # two intervals of the quick chore
    assert len(quick) == count, "It goes on after its end."


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("only_mine")
def test_a_chore_that_is_cut_off_is_named(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    began, go_on = threading.Event(), threading.Event()

    def run() -> None:
        began.set()
        go_on.wait(10)

    chores.register(Chore("slow", 60.0, run))
    runner = ChoreRunner("w1", look_seconds=0.02)
    runner.start()
    assert began.wait(5)
    runner.end(grace_seconds=0.1)
    assert "chore slow was cut off" in caplog.text
    assert row("slow").owner == "w1", "Its lease shows that it did not end."
    go_on.set()
    wait_for(lambda: row("slow").owner == "", 5, "it ends after all")


def test_what_medimgr_needs_is_registered() -> None:
    assert set(chores.all_chores()) >= {
        "operations.reap",
        "operations.purge",
        "events.prune",
        "events.dead-workers",
        "monitoring.history",
    }
    assert chores.all_chores()["operations.reap"].every_seconds <= 5
