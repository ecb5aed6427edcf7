"""Waiting for somebody's commit, on both databases."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import OperationalError, connection, connections, transaction

from medimgr.events.log import publish
from medimgr.lib.wake import SqliteWake, Wake, open_wake
from tests.running import Instance

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db(transaction=True)]

QUICK = 0.3
"""Seconds within which a commit has to be noticed: the poll interval (50 ms) with room for a busy machine."""


@pytest.fixture
def wake() -> Iterator[Wake]:
    opened = open_wake()
    yield opened
    opened.close()


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


def commit_elsewhere(*, delay: float = 0.0) -> None:
    """Publish one event from another thread, which has a connection of its own."""

    def work() -> None:
        try:
            time.sleep(delay)  # the waiting has to have begun
            with transaction.atomic():
                publish("service", "web", {"state": "RUNNING"})
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()


def test_a_commit_of_another_connection_wakes(wake: Wake, stop: threading.Event) -> None:
    with ThreadPoolExecutor(1) as pool:
        committed = pool.submit(commit_elsewhere, delay=0.1)
        began = time.monotonic()
        assert wake.wait(5, stop)
        assert time.monotonic() - began < 0.1 + QUICK
        committed.result()


def test_a_commit_between_two_waits_is_not_lost(wake: Wake, stop: threading.Event) -> None:
    commit_elsewhere()
    began = time.monotonic()
    assert wake.wait(5, stop)
    assert time.monotonic() - began < QUICK


def test_without_a_commit_it_waits_out_its_time(wake: Wake, stop: threading.Event) -> None:
    began = time.monotonic()
    assert not wake.wait(0.2, stop)
    assert 0.2 <= time.monotonic() - began < 0.2 + QUICK


def test_a_rollback_wakes_nobody(wake: Wake, stop: threading.Event) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(roll_back_elsewhere).result()
    assert not wake.wait(0.2, stop)


def roll_back_elsewhere() -> None:
    try:
        with transaction.atomic():
            publish("service", "web", {"state": "RUNNING"})
            transaction.set_rollback(True)
    finally:
        connections.close_all()


def test_being_told_to_stop_ends_the_waiting(wake: Wake, stop: threading.Event) -> None:
    timer = threading.Timer(0.1, stop.set)
    timer.start()
    began = time.monotonic()
    assert not wake.wait(10, stop)
    assert time.monotonic() - began < 1
    timer.join()


def test_closing_twice_is_as_good_as_once(wake: Wake) -> None:
    wake.close()
    wake.close()


def test_a_database_that_goes_away_raises(stop: threading.Event, tmp_path: Path) -> None:
    """Whoever waits has to learn of it, to open a new connection."""
    if connection.vendor == "postgresql":
        wake = open_wake()
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE query LIKE 'LISTEN %%' AND datname = current_database()"
            )
        with pytest.raises(OperationalError):
            wake.wait(2, stop)
        wake.close()
    else:
        with pytest.raises(sqlite3.OperationalError):
            SqliteWake(str(tmp_path / "gone.sqlite3"))
        assert not (tmp_path / "gone.sqlite3").exists(), "Looking must not create a database."


def test_another_process_wakes_too(instance: Instance, stop: threading.Event) -> None:
    with instance.database():
        wake = open_wake()
    publishes = (
        "from django.db import transaction as t; from medimgr.events.log import publish\n"
        "with t.atomic(): publish('service', 'web', {})"
    )
    try:
        done = instance.manage("shell", "-v0", "-c", publishes)
        assert done.returncode == 0, done.stderr
        assert wake.wait(2, stop)
    finally:
        wake.close()
