"""A request past its deadline ends with a clear error. On a real Daphne, and at the level of ASGI."""

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pytest_django import DjangoDbBlocker

from medimgr.request_deadline import RequestDeadline
from tests.running import Instance, RunningProcess, free_port

DEADLINE = 0.6
BROWSER = {"Accept": "text/html,application/xhtml+xml"}


class Site:
    """One Daphne with slow views and a short deadline."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        port = free_port()
        self.daphne: RunningProcess = instance.daphne(
            port,
            DJANGO_SETTINGS_MODULE="tests.medimgr.slow_settings",
            MEDIMGR_REQUEST_DEADLINE_SECONDS=str(DEADLINE),
        )
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10)
        self.client.get("/healthz")

    def happened(self) -> str:
        path = self.instance.data_dir / "slow-views"
        return path.read_text() if path.exists() else ""

    def get(self, path: str, **headers: str) -> tuple[httpx.Response, float]:
        began = time.monotonic()
        answer = self.client.get(path, headers=headers)
        return answer, time.monotonic() - began


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker) -> Iterator[Site]:
    with django_db_blocker.unblock():
        instance = Instance(tmp_path_factory.mktemp("slow"))
        try:
            yield Site(instance)
        finally:
            instance.close()


# --- on Daphne -----------------------------------------------------------------------------------


def test_an_async_view_past_the_deadline_gets_504_and_is_cancelled(site: Site) -> None:
    answer, took = site.get("/api/slow/waiting/?seconds=30&token=hush")
    assert DEADLINE <= took < DEADLINE + 1
    assert answer.status_code == 504
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == "request-deadline"
    assert "look before you try again" in problem["detail"]
    site.instance.wait_for(lambda: "cancelled" in site.happened(), 2, "the view is cancelled")
    (line,) = [one for one in site.daphne.output().splitlines() if "was given up" in one]
    assert "GET /api/slow/waiting/ was given up after 0.6 s" in line
    assert "hush" not in line, "the query string stays out of the log"


def test_a_page_request_gets_a_page(site: Site) -> None:
    answer, _ = site.get("/slow/waiting/?seconds=30", **BROWSER)
    assert answer.status_code == 504
    assert answer.headers["content-type"].startswith("text/html")
    assert "<h1>This took too long</h1>" in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    # The connection is as good as before.
    assert site.client.get("/healthz").status_code == 200


def test_a_sync_view_is_answered_for_and_its_thread_works_on(site: Site) -> None:
    answer, took = site.get("/slow/sleeping/?seconds=1.5")
    assert answer.status_code == 504
    assert took < 1.4, "the answer does not wait for the thread"
    assert "slept" not in site.happened()
    site.instance.wait_for(lambda: "slept" in site.happened(), 3, "its thread ends by itself")
    site.instance.wait_for(
        lambda: "GET /slow/sleeping/, which had been given up, ended after 1." in site.daphne.output(),
        3,
        "the log tells of it",
    )


def test_an_answer_that_stops_half_way_is_cut(site: Site) -> None:
    pieces: list[bytes] = []
    with site.client.stream("GET", "/slow/half/?seconds=30") as answer:
        assert answer.status_code == 200
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            pieces.extend(answer.iter_bytes())
    assert pieces == [b"first piece\n"]
    assert "stopped half-way" in site.daphne.output()


def test_a_long_download_that_makes_progress_may_take_longer(site: Site) -> None:
    answer, took = site.get(f"/slow/trickling/?seconds={3 * DEADLINE}")
    assert took > 2 * DEADLINE
    assert answer.status_code == 200
    assert answer.text.count("piece") > 10


def test_an_error_while_it_is_being_cancelled_is_logged_and_hurts_nobody(site: Site) -> None:
    answer, _ = site.get("/slow/failing/?seconds=30")
    assert answer.status_code == 504
    site.instance.wait_for(
        lambda: "could not even end in order" in site.daphne.output(), 3, "the error is logged"
    )
    assert site.client.get("/healthz").status_code == 200


def test_a_client_that_leaves_still_cancels_its_view(site: Site) -> None:
    before = site.happened().count("cancelled")
    with pytest.raises(httpx.ReadTimeout):
        site.client.get("/slow/waiting/?seconds=20", timeout=0.2)
    site.instance.wait_for(lambda: site.happened().count("cancelled") > before, DEADLINE - 0.2, "cancelled")
    assert "GET /slow/waiting/ was given up after 0.2" not in site.daphne.output()


# --- at the level of ASGI -----------------------------------------------------------------------


class Client:
    """The server's side of one request."""

    def __init__(self, path: str = "/x/", **headers: str) -> None:
        named = [(name.encode(), value.encode()) for name, value in headers.items()]
        self.scope = {"type": "http", "method": "GET", "path": path, "headers": named}
        self.sent: list[Any] = []
        self.inbox: asyncio.Queue[Any] = asyncio.Queue()
        self.inbox.put_nowait({"type": "http.request", "body": b"", "more_body": False})

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    def ask(self, application: RequestDeadline) -> "asyncio.Task[None]":
        return asyncio.ensure_future(application(self.scope, self.inbox.get, self.send))

    @property
    def problem(self) -> Any:
        return json.loads(self.sent[1]["body"])


async def forever(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await receive()


async def reached(deadline: RequestDeadline, count: int) -> None:
    """Wait until so many requests are under way."""
    for _ in range(1000):
        if deadline.under_way == count:
            return
        await asyncio.sleep(0)
    raise AssertionError(f"{deadline.under_way} requests are under way, not {count}")


async def test_streams_are_handed_on_as_they_are() -> None:
    seen = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen.append((receive, send))
        await asyncio.sleep(0.2)  # longer than the deadline

    deadline = RequestDeadline(application, 0.05, streams="/events/")
    receive, send = object(), object()
    await deadline({"type": "http", "method": "GET", "path": "/events/", "headers": []}, receive, send)  # type: ignore[arg-type]
    assert seen == [(receive, send)]
    assert deadline.begun == 1
    client = Client("/events/disconnect/")
    await client.ask(deadline)
    assert client.problem["status"] == 504, "what is not a stream itself has a deadline"


async def test_what_is_sent_after_the_deadline_goes_nowhere() -> None:
    tried = asyncio.Event()

    async def late(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        assert (await receive())["type"] == "http.disconnect"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"late"})
        tried.set()

    client = Client()
    await client.ask(RequestDeadline(late, 0.05, streams="/events/"))
    async with asyncio.timeout(2):
        await tried.wait()
    assert [message["type"] for message in client.sent] == ["http.response.start", "http.response.body"]
    assert client.problem["code"] == "request-deadline"


async def test_a_server_that_goes_down_ends_what_is_left_with_503() -> None:
    deadline = RequestDeadline(forever, 30, streams="/events/")
    clients = [Client() for _ in range(3)]
    tasks = [client.ask(deadline) for client in clients]
    await reached(deadline, 3)
    deadline.end_all()
    await asyncio.gather(*tasks)
    assert deadline.under_way == 0
    assert {client.problem["code"] for client in clients} == {"server-restarting"}
    assert (b"Retry-After", b"1") in clients[0].sent[0]["headers"]


async def test_an_answer_that_is_complete_stays_as_it_is_however_long_the_rest_takes() -> None:
    async def tidies_up_for_ever(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"all of it"})
        await asyncio.Event().wait()

    client = Client()
    await client.ask(RequestDeadline(tidies_up_for_ever, 0.05, streams="/events/"))
    assert [message.get("body", message.get("status")) for message in client.sent] == [200, b"all of it"]


async def test_an_error_of_the_application_reaches_the_server() -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        await Client().ask(RequestDeadline(broken, 5, streams="/events/"))


async def test_a_request_that_the_server_cancels_tells_the_application_first() -> None:
    ends: list[str] = []

    async def tidy(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        ends.append((await receive())["type"])

    deadline = RequestDeadline(tidy, 30, streams="/events/")
    task = Client().ask(deadline)
    await reached(deadline, 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ends == ["http.disconnect"]


async def test_the_path_cannot_forge_a_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    client = Client("/x\n2026-01-01 CRITICAL")
    await client.ask(RequestDeadline(forever, 0.02, streams="/events/"))
    assert "GET /x%0A2026-01-01%20CRITICAL was given up" in caplog.text
