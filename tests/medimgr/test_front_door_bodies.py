"""A body that is too large is refused before it is read, at every door, with a length or without one."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from medimgr.front_door import FrontDoor
from medimgr.lib.client_address import networks

LARGEST = 1000
PIECE = 400
PROXIES = networks(["192.0.2.1"])
DOORS = [
    "/",
    "/login/",
    "/api/services/a/start",
    "/events/disconnect/",
    "/events/poll/",
    "/static/a.js",
    "/healthz",
]


class Application:
    """Reads its request to the end and answers with its length, as Django does."""

    def __init__(self) -> None:
        self.scope: dict[str, Any] = {}
        self.got = 0
        self.heard: list[str] = []

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        self.scope = scope
        while True:
            message = await receive()
            self.heard.append(message["type"])
            if message["type"] == "http.disconnect":
                return
            self.got += len(message["body"])
            if not message["more_body"]:
                break
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(self.got).encode()})


def ask(
    path: str, body: bytes, headers: dict[str, str], *, peer: str = "192.0.2.9", application: Any = None
) -> tuple[int, dict[str, str], bytes, int]:
    """Return status, headers and body of the answer, and how many pieces were taken from the client."""
    pieces = [body[at : at + PIECE] for at in range(0, len(body), PIECE)] or [b""]
    supply: Iterator[tuple[int, bytes]] = iter(enumerate(pieces, 1))
    taken = 0
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        nonlocal taken
        number, piece = next(supply)
        taken = number
        return {"type": "http.request", "body": piece, "more_body": number < len(pieces)}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "scheme": "http",
        "client": (peer, 1),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
    }
    door = FrontDoor(application or Application(), largest=LARGEST, proxies=PROXIES, streams="/events/")
    asyncio.run(door(scope, receive, send))
    start, *rest = sent
    answered = {name.decode().lower(): value.decode() for name, value in start["headers"]}
    return start["status"], answered, b"".join(one["body"] for one in rest), taken


@pytest.mark.parametrize("door", DOORS)
def test_a_length_that_is_too_large_is_refused_without_reading(door: str) -> None:
    application = Application()
    status, _, _, taken = ask(door, b"x" * 1001, {"content-length": "1001"}, application=application)
    assert (status, taken) == (413, 0)
    assert not application.scope, "the application was not even asked"


@pytest.mark.parametrize("door", DOORS)
def test_a_body_without_a_length_is_refused_as_soon_as_it_is_too_large(door: str) -> None:
    application = Application()
    status, _, _, taken = ask(door, b"x" * 100_000, {"transfer-encoding": "chunked"}, application=application)
    assert (status, taken) == (413, 3)
    assert application.heard[-1] == "http.disconnect", "the application is told that nobody is there"
    assert application.got <= LARGEST


@pytest.mark.parametrize("size", [0, 1, 399, 400, 401, 1000])
def test_what_is_not_too_large_arrives_whole(size: int) -> None:
    for headers in ({"content-length": str(size)}, {}):
        status, _, text, _ = ask("/login/", b"x" * size, headers)
        assert (status, text) == (200, str(size).encode())


@pytest.mark.parametrize("length", ["-1", "1e3", "", " 12", "9" * 5000, "1,2"])
def test_a_length_that_is_none_is_refused(length: str) -> None:
    assert ask("/login/", b"x", {"content-length": length})[0] == 413


def test_a_length_that_lies_helps_nobody() -> None:
    assert ask("/login/", b"x" * 5000, {"content-length": "10"})[0] == 413


def test_an_answer_that_had_begun_is_not_begun_again() -> None:
    async def hasty(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while (await receive())["type"] != "http.disconnect":
            pass
        await send({"type": "http.response.body", "body": b"done"})

    status, _, text, _ = ask("/login/", b"x" * 5000, {}, application=hasty)
    assert (status, text) == (200, b"done")


def test_programs_are_told_by_a_problem_and_people_by_a_page() -> None:
    status, headers, text, _ = ask("/api/services/a/start", b"", {"content-length": "9999999"})
    assert headers["content-type"] == "application/problem+json"
    assert json.loads(text)["code"] == "too-large"
    assert "0.000953674 MB at most" in json.loads(text)["detail"]
    headers = ask("/login/", b"", {"content-length": "9999999", "accept": "text/html"})[1]
    assert headers["content-type"].startswith("text/html")
    assert headers["x-frame-options"] == "DENY"
    assert status == 413


@pytest.mark.parametrize(
    ("peer", "forwarded", "scheme"),
    [
        ("192.0.2.1", "https", "https"),
        ("192.0.2.1", "HTTPS", "https"),
        ("192.0.2.1", "http, https", "https"),
        ("192.0.2.1", "https, http", "http"),
        ("192.0.2.1", "", "http"),
        ("192.0.2.1", "ftp", "http"),
        ("192.0.2.9", "https", "http"),
        ("", "https", "http"),
        ("::ffff:192.0.2.1", "https", "https"),
    ],
)
def test_only_a_known_proxy_says_that_somebody_came_by_https(peer: str, forwarded: str, scheme: str) -> None:
    application = Application()
    ask("/login/", b"", {"x-forwarded-proto": forwarded}, peer=peer, application=application)
    assert application.scope["scheme"] == scheme
