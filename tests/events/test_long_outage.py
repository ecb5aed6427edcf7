"""A database that is away for longer than a lease and many heartbeats: streams stay open and say so."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import connections as databases
from django.utils import timezone
from pytest_django.fixtures import Settings

from medimgr.asgi import StreamHandler
from medimgr.events import broadcaster, connections, unseen_workers
from medimgr.events.models import Connection, StreamWorker
from medimgr.events.unseen_workers import GAP_SECONDS, WATCH_SECONDS, Watch
from tests.events.outage import outage
from tests.events.sessions import log_in
from tests.events.test_reading_the_log import database_url, publish_one
from tests.events.test_streams_over_asgi import Caller

HEARTBEAT = 0.2


@pytest.fixture
def session(alice: User) -> str:
    """A session of an operator, and no connection in this thread that an outage could break."""
    key = log_in(alice)
    databases.close_all()
    return key


@pytest.fixture
async def ours(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> AsyncIterator[StreamHandler]:
    """Our application with short heartbeats and leases, whose broadcaster ends with the test."""
    settings.MEDIMGR_STREAM_HEARTBEAT_SECONDS = HEARTBEAT
    monkeypatch.setattr(connections, "LEASE_SECONDS", 1.0)
    monkeypatch.setattr(connections, "RENEW_SECONDS", 0.2)
    yield StreamHandler()
    await broadcaster.current().aclose()
    await sync_to_async(databases.close_all)()


@pytest.mark.both_databases
@pytest.mark.django_db(transaction=True)
async def test_streams_outlive_an_outage_that_is_longer_than_a_lease(ours: Any, session: str) -> None:
    callers = [Caller(ours, session) for _ in range(3)]
    for caller in callers:
        await caller.begin()
        await caller.next("hello")
    worker = await StreamWorker.objects.aget()
    rows = {row async for row in Connection.objects.values_list("pk", flat=True)}
    await sync_to_async(databases.close_all)()
    with outage(database_url()):
        heard = 0
        while heard < 2 / HEARTBEAT:  # two seconds of heartbeats, and each says so
            for caller in callers[:2]:
                message = await caller.next("heartbeat")
            heard += message.data["database"] == "away"
        await callers[2].leave()  # somebody goes meanwhile; the row has to wait

    published = await sync_to_async(publish_one)()
    for caller in callers[:2]:
        assert int((await caller.next("service")).id) == published
        assert (await caller.next("heartbeat")).data["database"] == "ok"
    async with asyncio.timeout(10):
        while await Connection.objects.acount() != 2:  # noqa: ASYNC110  (the row goes in another thread)
            await asyncio.sleep(0.02)
    assert (await StreamWorker.objects.aget()).pk == worker.pk, "nobody took it for dead"
    assert rows > {row async for row in Connection.objects.values_list("pk", flat=True)}
    for caller in callers[:2]:
        await caller.leave()


class Clock:
    """Time as the test has it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    it = Clock()
    monkeypatch.setattr(unseen_workers, "time", it)
    return it


LONG_AGO: datetime = timezone.now() - timedelta(minutes=1)


def test_a_worker_is_gone_once_its_lease_stays_run_out_while_somebody_watches(clock: Clock) -> None:
    watch = Watch()
    assert watch.gone({1: LONG_AGO}) == set()
    clock.now += WATCH_SECONDS / 2
    assert watch.gone({1: LONG_AGO, 2: LONG_AGO}) == set()
    clock.now += WATCH_SECONDS / 2
    assert watch.gone({1: LONG_AGO, 2: LONG_AGO}) == {1}


def test_a_worker_that_writes_again_is_alive_and_watched_anew(clock: Clock) -> None:
    watch = Watch()
    watch.gone({1: LONG_AGO})
    clock.now += WATCH_SECONDS - 1
    assert watch.gone({}) == set()
    clock.now += 2
    assert watch.gone({1: LONG_AGO}) == set()
    clock.now += WATCH_SECONDS - 1
    assert watch.gone({1: LONG_AGO + timedelta(seconds=1)}) == set()
    clock.now += 2
    assert watch.gone({1: LONG_AGO + timedelta(seconds=1)}) == set()


def test_who_could_not_look_either_begins_anew(clock: Clock) -> None:
    watch = Watch()
    watch.gone({1: LONG_AGO})
    clock.now += GAP_SECONDS + WATCH_SECONDS
    assert watch.gone({1: LONG_AGO}) == set()
    clock.now += WATCH_SECONDS
    assert watch.gone({1: LONG_AGO}) == {1}
