"""Streams under any ASGI server: what Daphne has a shortcut for has to work without it too."""

import asyncio
import contextlib
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.contrib.auth.models import User
from django.core.handlers.asgi import ASGIHandler
from django.db import connections, transaction
from django.test import Client
from pytest_django.fixtures import Settings

from medimgr.asgi import StreamHandler
from medimgr.events import broadcaster, desk, figures
from medimgr.events.admission import admit_all
from medimgr.events.connections import kick
from medimgr.events.log import last_event_id, publish
from medimgr.events.models import Connection, Event
from tests.events.outage import outage
from tests.events.sessions import log_in
from tests.events.sse import Message, SseParser
from tests.events.test_reading_the_log import database_url
from tests.running import wait_for

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db(transaction=True)]


class Caller(ApplicationCommunicator):
    """One request, as an ASGI server makes it."""

    def __init__(self, application: Any, session: str, query: str = "topics=service") -> None:
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/events/",
            "query_string": query.encode(),
            "headers": [(b"host", b"localhost"), (b"cookie", f"sessionid={session}".encode())],
            "client": ("192.0.2.1", 5),
        }
        untyped: Any = super()
        untyped.__init__(application, scope)
        self._parser = SseParser()
        self.received: list[Message] = []

    async def put(self, kind: str) -> None:
        """Give the application a message."""
        untyped: Any = self
        await untyped.send_input({"type": kind})

    async def take(self) -> dict[str, Any]:
        """Return the next message of the application."""
        untyped: Any = self
        message: dict[str, Any] = await untyped.receive_output(timeout=10)
        return message

    async def begin(self) -> dict[str, Any]:
        """Send the request and return the start of the answer."""
        await self.put("http.request")
        return await self.take()

    async def next(self, name: str) -> Message:
        """Return the next message of this name."""
        while True:
            for position, message in enumerate(self.received):
                if message.name == name:
                    self.received = self.received[position + 1 :]
                    return message
            answer = await self.take()
            assert answer.get("more_body"), f"The stream ended; waited for {name}."
            self.received = self._parser.feed(answer["body"])

    async def refused(self) -> tuple[int, dict[bytes, bytes]]:
        """Send the request and return status and headers of an answer that is no stream."""
        started = await self.begin()
        while (await self.take()).get("more_body"):
            pass
        await asyncio.wait_for(self.future, 5)
        return started["status"], dict(started["headers"])

    async def leave(self) -> None:
        """Disconnect, and see the application end by itself."""
        await self.put("http.disconnect")
        await asyncio.wait_for(self.future, 5)


@pytest.fixture(params=[StreamHandler, ASGIHandler], ids=["ours", "django's own"])
async def application(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    """An application in this loop, whose broadcaster ends with the test."""
    yield request.param()
    await broadcaster.current().aclose()
    await sync_to_async(connections.close_all)()  # of the thread in which the test asks


@pytest.fixture
async def ours() -> AsyncIterator[StreamHandler]:
    """Our application alone."""
    yield StreamHandler()
    await broadcaster.current().aclose()
    await sync_to_async(connections.close_all)()  # of the thread in which the test asks


@pytest.fixture
def session(alice: User) -> str:
    """A session of an operator."""
    return log_in(alice)


@sync_to_async
def publish_one(key: str) -> int:
    with transaction.atomic():
        publish("service", key, {})
    return Event.objects.latest("id").pk


async def no_rows() -> None:
    async with asyncio.timeout(5):
        while await Connection.objects.acount():  # noqa: ASYNC110  (the rows go in another thread)
            await asyncio.sleep(0.02)


async def test_a_stream_works_and_is_tidied_up(application: Any, session: str) -> None:
    caller = Caller(application, session)
    started = await caller.begin()
    assert started["status"] == 200
    assert (b"Content-Type", b"text/event-stream") in started["headers"]
    assert (await caller.next("hello")).data["topics"] == ["service"]
    assert await Connection.objects.acount() == 1
    published = [await publish_one(f"k{number}") for number in range(3)]
    assert [int((await caller.next("service")).id) for _ in published] == published
    await caller.leave()
    await no_rows()


async def test_a_server_that_stops_lets_a_stream_say_bye(ours: Any, session: str) -> None:
    caller = Caller(ours, session)
    await caller.begin()
    await caller.next("hello")
    caller.future.cancel()
    assert (await caller.next("bye")).data["reason"] == "shutdown"
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.wait_for(caller.future, 5)
    await no_rows()
    assert not [task for task in asyncio.all_tasks() if "StreamHandler._serve" in repr(task)]


@pytest.mark.parametrize("after", range(0, 40, 3))
async def test_a_client_that_leaves_while_its_stream_opens_leaves_no_row(
    ours: Any, session: str, after: int
) -> None:
    caller = Caller(ours, session)
    await caller.put("http.request")
    for _ in range(after):
        await asyncio.sleep(0.001)
    await caller.put("http.disconnect")
    await asyncio.wait_for(caller.future, 10)
    await no_rows()


async def test_who_is_ended_while_its_stream_opens_gets_none(
    ours: Any, session: str, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row is there and is removed again before the request has heard of it."""

    def and_kicked(applicants: Any) -> Any:
        outcomes: list[Any] = admit_all(applicants)
        kick(alice, source="api", pk=outcomes[0].connection)
        newest = last_event_id()
        wait_for(lambda: figures.of_this_process.position >= newest, 10, "everybody has heard of it")
        return outcomes

    monkeypatch.setattr(desk, "admit_all", and_kicked)
    assert (await Caller(ours, session).refused())[0] == 503
    await no_rows()


def held_back(ours: Any, gate: asyncio.Event, sent: list[dict[str, Any]]) -> Any:
    """Return ``ours`` behind a server that waits with each event until ``gate`` is open; fills ``sent``."""

    async def application(
        scope: dict[str, Any], receive: Any, send: Callable[[Any], Awaitable[None]]
    ) -> None:
        async def slowly(message: dict[str, Any]) -> None:
            if message.get("body", b"").startswith(b"id:"):
                await gate.wait()
            sent.append(message)
            await send(message)

        await ours(scope, receive, slowly)

    return application


async def test_a_server_that_waits_for_a_slow_client_holds_only_so_much(ours: Any, session: str) -> None:
    gate = asyncio.Event()
    sent: list[dict[str, Any]] = []
    caller = Caller(held_back(ours, gate, sent), session)
    await caller.begin()
    await caller.next("hello")
    for number in range(12):
        await _publish_large(str(number))
    await no_rows()
    gate.set()
    await asyncio.wait_for(caller.future, 5)
    ends = SseParser().feed(b"".join(message.get("body", b"") for message in sent))
    assert ends[-1].data["reason"] == "lagging"
    assert len(ends) < 12
    assert sent[-1].get("more_body", False) is False


async def test_what_waits_for_a_client_that_does_not_read_is_seen(ours: Any, session: str) -> None:
    gate = asyncio.Event()
    caller = Caller(held_back(ours, gate, []), session)
    await caller.begin()
    await caller.next("hello")
    for number in range(3):
        await _publish_large(str(number))
    async with asyncio.timeout(10):
        queued = 0
        while queued < 300_000:  # the first is on its way, two wait
            broadcaster.current()._beat_once()
            await asyncio.sleep(0.05)
            queued = (await Connection.objects.aget()).queued
    gate.set()
    for number in range(3):
        assert (await caller.next("service")).data["key"] == str(number)
    await caller.leave()


@sync_to_async
def _publish_large(key: str) -> None:
    with transaction.atomic():
        publish("service", key, {"filling": "x" * 150_000})


async def test_compression_for_pages_leaves_a_stream_alone(session: str, settings: Settings) -> None:
    settings.MIDDLEWARE = ["django.middleware.gzip.GZipMiddleware", *settings.MIDDLEWARE]
    caller = Caller(StreamHandler(), session)
    caller.scope["headers"].append((b"accept-encoding", b"gzip"))
    started = await caller.begin()
    assert (b"Content-Encoding", b"gzip") in started["headers"], "the stream's own"
    first = await caller.take()
    assert zlib.decompressobj(31).decompress(first["body"]).startswith(b"retry: "), (
        "compressed once, not twice"
    )
    await caller.leave()
    await broadcaster.current().aclose()


async def test_a_compressed_stream_ends_as_a_whole_file(ours: Any, session: str) -> None:
    caller = Caller(ours, session)
    caller.scope["headers"].append((b"accept-encoding", b"gzip"))
    await caller.begin()
    body = (await caller.take())["body"]
    await broadcaster.current().aclose()
    while (message := await caller.take()).get("more_body"):
        body += message["body"]
    client = zlib.decompressobj(31)
    told = SseParser().feed(client.decompress(body + message.get("body", b"")))
    assert [one.name for one in told] == ["hello", "bye"]
    assert client.eof


async def test_many_streams_that_begin_together_share_one_reader(ours: Any, session: str) -> None:
    callers = [Caller(ours, session) for _ in range(8)]
    for started in await asyncio.gather(*(caller.begin() for caller in callers)):
        assert started["status"] == 200
    published = await publish_one("for all")
    for caller in callers:
        assert int((await caller.next("service")).id) == published
    for caller in callers:
        await caller.leave()
    await no_rows()


@pytest.fixture
def disconnected() -> None:
    """This thread holds no connection that an outage could break."""
    connections.close_all()


async def test_a_stream_is_refused_while_the_database_is_away(ours: Any, disconnected: None) -> None:
    with outage(database_url()):
        status, headers = await Caller(ours, "anysession").refused()
    assert status == 503
    assert headers[b"Retry-After"] == b"5"


async def test_a_worker_that_is_stopping_sends_new_streams_elsewhere(ours: Any, session: str) -> None:
    await broadcaster.current().aclose()
    assert (await Caller(ours, session).refused())[0] == 503


def test_a_wsgi_server_is_told_that_it_cannot_stream(client: Client, alice: User) -> None:
    client.force_login(alice)
    assert client.get("/events/").status_code == 501


def test_streams_are_got_and_goodbyes_are_posted(client: Client) -> None:
    assert client.post("/events/").status_code == 405
    assert client.get("/events/disconnect/").status_code == 405
    assert (
        Client(enforce_csrf_checks=True).post("/events/disconnect/", {"connection_id": "x"}).status_code
        == 204
    )
