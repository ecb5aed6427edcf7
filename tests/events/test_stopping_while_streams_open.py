"""A server that stops while streams are being opened: no error, no traceback, nothing left."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import pytest
from django.contrib.auth.models import User

from medimgr.asgi import StreamHandler
from medimgr.events import broadcaster
from tests.events.sessions import log_in
from tests.events.test_streams_over_asgi import Caller, no_rows

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db(transaction=True)]


@pytest.fixture
async def ours() -> AsyncIterator[StreamHandler]:
    """Our application, with the reader at work."""
    await broadcaster.current().ready()
    yield StreamHandler()
    await broadcaster.current().aclose()


@pytest.fixture
def session(alice: User) -> str:
    """A session of an operator."""
    return log_in(alice)


async def test_requests_that_are_cancelled_at_any_moment_end_in_order(
    ours: StreamHandler, session: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = asyncio.all_tasks()
    for moment in range(60):
        caller = Caller(ours, session)
        await caller.put("http.request")
        await asyncio.sleep(moment * 0.0004)  # a request takes some 15 ms
        caller.future.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait_for(caller.future, 5)
        assert asyncio.all_tasks() - before == set()
    await no_rows()
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
