"""A thousand opens and closes leave nothing behind: no descriptor, thread, task, object or memory."""

import asyncio
import gc
import os
import random
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import psutil
import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from pytest_django.fixtures import Settings

from medimgr.asgi import StreamHandler
from medimgr.events import broadcaster
from medimgr.events.response import EventStreamResponse
from medimgr.events.subscription import Subscription
from tests.events.conftest import Site
from tests.events.sessions import log_in
from tests.events.stream_client import StreamClient
from tests.events.test_streams_over_asgi import Caller, no_rows

pytestmark = pytest.mark.both_databases

OPENS, PIECES = 2400, 12
"""The heap is as large as it gets after some two thousand: see medimgr.garbage."""
CLIENTS = 8
LAST_CALLS = 20


# --- a real worker -------------------------------------------------------------------------------


def come_and_go(site: Site, session: str, times: int) -> None:
    dice = random.Random(times)
    for _ in range(times):
        stream = StreamClient(site.ports[0], session, topics="service,node")
        if dice.random() < 0.8:
            stream.start()
        dice.choice((stream.close, stream.abort))()


def rush(site: Site, session: str, times: int) -> None:
    """Have some clients open and close so many streams, until no row is left of them."""
    clients = [
        threading.Thread(target=come_and_go, args=(site, session, times // CLIENTS)) for _ in range(CLIENTS)
    ]
    for client in clients:
        client.start()
    for client in clients:
        client.join(100)
        assert not client.is_alive()
    site.wait_for_rows(0, 5)


def test_a_thousand_streams_leave_nothing_in_a_worker(site: Site) -> None:
    session = site.operator()
    rush(site, session, 400)  # until pools and caches are full
    worker = psutil.Process(site.workers[0].pid)
    threads, descriptors, memory = worker.num_threads(), worker.num_fds(), worker.memory_info().rss
    grown = []
    for _ in range(PIECES):
        rush(site, session, OPENS // PIECES)
        grown.append(worker.memory_info().rss - memory)
        memory += grown[-1]
    site.instance.wait_for(
        lambda: worker.num_fds() <= descriptors + 1 and worker.num_threads() <= threads,
        5,
        f"{descriptors} descriptors and {threads} threads as before",
    )
    print(f"{descriptors} descriptors, {threads} threads, memory {[size // 1024 for size in grown]} KiB")  # noqa: T201
    # A leak takes its share each time; the allocator takes a piece now and then.
    assert min(grown) < OPENS // PIECES * 3072


# --- inside the process --------------------------------------------------------------------------


@pytest.fixture
async def ours(settings: Settings) -> AsyncIterator[StreamHandler]:
    """Our application with places for all, and with the reader at work."""
    settings.MEDIMGR_STREAM_MAX_PER_ADDRESS = 100
    await broadcaster.current().ready()
    yield StreamHandler()
    await broadcaster.current().aclose()
    await sync_to_async(connections.close_all)()  # this test's own, in the thread of its queries


@pytest.fixture
def session(alice: User) -> str:
    """A session of an operator."""
    return log_in(alice)


async def open_and_leave(application: Any, session: str, number: int) -> None:
    caller = Caller(application, session)
    if number % 5:
        await caller.begin()
        await caller.next("hello")
    else:
        await caller.put("http.request")
        await asyncio.sleep(number * 0.00005)  # at any stage of the opening
    await caller.leave()


def living(kind: type) -> int:
    gc.collect()
    # Not isinstance(), which would wake Django's lazy objects.
    return sum(type(one) is kind for one in gc.get_objects())


def open_databases() -> int:
    gc.collect()
    wrappers = [one for one in gc.get_objects() if issubclass(type(one), BaseDatabaseWrapper)]
    return sum(wrapper.connection is not None for wrapper in wrappers)


COUNTED: dict[str, Callable[[], int]] = {
    "tasks": lambda: len(asyncio.all_tasks()),
    "threads": threading.active_count,
    "database connections": open_databases,
    "descriptors": lambda: len(os.listdir("/proc/self/fd")),
    "subscriptions": lambda: living(Subscription),
    "responses": lambda: living(EventStreamResponse),
}
# A thread of requests may keep its last call, and what hangs on it.
SPARED = {"subscriptions": LAST_CALLS, "responses": LAST_CALLS}


def more_than(before: dict[str, int]) -> dict[str, str]:
    """Return what there is more of than before."""
    now = {name: count() for name, count in COUNTED.items()}
    return {
        name: f"{was} → {now[name]}" for name, was in before.items() if now[name] > was + SPARED.get(name, 0)
    }


@pytest.mark.django_db(transaction=True)
async def test_streams_leave_nothing_in_the_event_loop(ours: StreamHandler, session: str) -> None:
    for number in range(20):
        await open_and_leave(ours, session, number)
    await no_rows()
    before = {name: count() for name, count in COUNTED.items()}
    for begin in range(0, 300, 10):
        await asyncio.gather(*(open_and_leave(ours, session, begin + number) for number in range(10)))
    await no_rows()
    end = time.monotonic() + 5
    while left := more_than(before):
        assert time.monotonic() < end, (left, before)
        await asyncio.sleep(0.05)
