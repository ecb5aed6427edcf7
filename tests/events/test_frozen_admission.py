"""A database server that does not answer while somebody wants a stream: refused in time, the next served."""

import asyncio
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User

from medimgr.events.models import Connection
from tests.events.frozen_server import frozen, other_backends
from tests.events.sessions import log_in
from tests.events.test_frozen_database import impatient, ours  # noqa: F401  (fixtures)
from tests.events.test_streams_over_asgi import Caller

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db(transaction=True)]


async def test_who_asks_meanwhile_is_refused_and_the_next_one_is_served(
    ours: Any,  # noqa: F811
    alice: User,
) -> None:
    session = await sync_to_async(log_in)(alice)
    own = await sync_to_async(other_backends)()
    first = Caller(ours, session)
    await first.begin()
    await first.next("hello")
    # The thread in which streams are admitted has its connection now, beside the reader's two.
    with frozen(await sync_to_async(other_backends)() - own):
        status, headers = await Caller(ours, session).refused()
        assert status == 503
        assert int(headers[b"Retry-After"]) > 0
        second = Caller(ours, session)
        assert (await second.begin())["status"] == 200
        await second.next("hello")
    async with asyncio.timeout(10):
        while await Connection.objects.acount() != 2:  # noqa: ASYNC110  (none of the refused one stays)
            await asyncio.sleep(0.02)
    for caller in (first, second):
        await caller.leave()
