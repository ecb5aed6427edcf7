"""A database server that is there and does not answer: streams are told, nothing is lost, nothing doubled.

On PostgreSQL, whose backends can be frozen. SQLite is part of the process itself: a disk that hangs cannot be
had here, and what is the same for both is in tests/medimgr/test_watched_thread.py.
"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import connection, connections

from medimgr.asgi import StreamHandler
from medimgr.events import broadcaster, reader_watch
from medimgr.events.models import Connection, StreamWorker
from medimgr.lib import watched_thread
from tests.events.frozen_server import frozen, other_backends
from tests.events.sessions import log_in
from tests.events.test_reading_the_log import Heard, publish_one
from tests.events.test_streams_over_asgi import Caller
from tests.running import wait_for

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db(transaction=True)]
STUCK = 1.5  # more than the second that a reader waits for a commit


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("Only PostgreSQL has processes of its own that can be frozen.")
    monkeypatch.setattr(watched_thread, "STUCK_SECONDS", STUCK)
    monkeypatch.setattr(reader_watch, "LOOK_SECONDS", 0.1)


@pytest.fixture
def heard() -> Iterator[Heard]:
    it = Heard()
    it.reader.start()
    it.wait(lambda: it.batches, "the reader has its position")
    yield it
    it.reader.stop(10)


def look_after(heard: Heard) -> list[bool]:
    heard.reader.look()
    return heard.away


def left_behind() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "event-reader-left-behind"]


@pytest.mark.parametrize("wakes", [True, False], ids=["its connection is cut", "nothing wakes it"])
def test_another_reader_goes_on_where_a_frozen_one_stopped(
    heard: Heard, wakes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not wakes:
        monkeypatch.setattr(watched_thread, "_cut", lambda _database: None)
    before = publish_one()
    heard.wait(lambda: heard.ids() == [before], "the first event")
    with frozen(other_backends()):
        missed = [publish_one(str(number)) for number in range(3)]
        began = time.monotonic()
        heard.wait(lambda: look_after(heard) == [True, False], "away, and back")
        assert time.monotonic() - began > STUCK
        heard.wait(lambda: heard.ids() == [before, *missed], "what was published meanwhile")
        if wakes:
            wait_for(lambda: not left_behind(), 5, "the old thread ends, though the server is frozen")
        else:
            assert left_behind()
    wait_for(lambda: not left_behind(), 10, "the old thread ends as soon as it is answered")
    after = publish_one()
    heard.wait(lambda: heard.ids() == [before, *missed, after], "everything once, and in order")
    assert not any(batch.restarted for batch in heard.batches)
    assert heard.away == [True, False]


@pytest.fixture
async def ours() -> AsyncIterator[StreamHandler]:
    """Our application in this loop, whose broadcaster ends with the test."""
    yield StreamHandler()
    await broadcaster.current().aclose()
    await sync_to_async(connections.close_all)()  # of the thread in which this test asks


async def test_streams_live_through_a_freeze_of_all_that_serves_them(
    ours: Any, alice: User, caplog: pytest.LogCaptureFixture
) -> None:
    session = await sync_to_async(log_in)(alice)
    own = await sync_to_async(other_backends)()
    callers = [Caller(ours, session) for _ in range(3)]
    for caller in callers:
        await caller.begin()
        await caller.next("hello")
    before = await StreamWorker.objects.aget()
    async with asyncio.timeout(10):
        # The reader has two connections; housekeeping and admission have one each, as soon as they need it.
        while len(serving := await sync_to_async(other_backends)() - own) < 4:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    with frozen(serving):
        published = await sync_to_async(publish_one)()
        # One goes meanwhile, so that the rows have to change, too.
        await callers[2].leave()
        for caller in callers[:2]:
            assert (await caller.next("heartbeat")).data["database"] == "away"
            assert int((await caller.next("service")).id) == published
        async with asyncio.timeout(10):
            while await Connection.objects.acount() != 2:  # noqa: ASYNC110  (the row goes in another thread)
                await asyncio.sleep(0.02)
    after = await sync_to_async(publish_one)()
    for caller in callers[:2]:
        assert int((await caller.next("service")).id) == after, "nothing twice"
        await caller.leave()
    assert (await StreamWorker.objects.aget()).pk == before.pk
    assert "another thread goes on" in caplog.text
    assert "Traceback" not in caplog.text
