"""What is kept of a log, through the API: searched, looked into and downloaded across its archives."""

import gzip
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connections
from django.test import AsyncClient, Client

from monitoring import log_finding, log_search
from monitoring.supervisor.log_packing import pack_one
from monitoring.supervisor.log_rotation import rotate
from tests.api import assert_problem, client_of
from tests.factories import make_node, make_service

pytestmark = pytest.mark.django_db
LINES = [f"line {number} of many, {'odd' if number % 2 else 'even'}" for number in range(30_000)]
TEXT = "".join(f"{line}\n" for line in LINES)


@pytest.fixture
def operator(alice: User) -> Client:
    return client_of(alice)


@pytest.fixture
def log(db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A log of 30,000 lines: two archives, of which one is compressed, and a live file."""
    monkeypatch.setattr(settings, "MEDIMGR_DATA_DIR", tmp_path)
    path = make_service("web").log_path
    path.parent.mkdir()
    path.write_text("".join(f"{line}\n" for line in LINES[:10_000]))
    assert rotate(path, max_bytes=100_000, keep=5)
    assert pack_one(path, nullcontext(), lambda: False)
    with path.open("a") as file:
        file.write("".join(f"{line}\n" for line in LINES[10_000:20_000]))
        file.flush()
        assert rotate(path, max_bytes=100_000, keep=5)
        file.write("".join(f"{line}\n" for line in LINES[20_000:]))
    return path


def search(client: Client, **parameters: Any) -> Any:
    return client.get("/api/services/web/log", parameters)


# --- searching ---------------------------------------------------------------------------------------


def test_a_search_goes_through_the_live_log_and_all_archives(operator: Client, log: Path) -> None:
    body = search(operator, search="LINE 77").json()
    expected = [line for line in LINES if "line 77" in line]
    assert body["count"] == len(expected) == 1 + 10 + 100
    assert body["complete"] is True
    assert [match["line"] for match in body["matches"]] == expected[::-1]
    for match in body["matches"][:3]:
        assert TEXT[match["offset"] :].startswith(match["line"])


def test_a_search_goes_on_where_the_last_one_stopped(
    operator: Client, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_search, "BLOCK_BYTES", 30_000)
    found: list[str] = []
    before: dict[str, int] = {}
    for _ in range(1000):
        body = search(operator, search="line 77", limit=20, **before).json()
        found += [match["line"] for match in body["matches"]]
        if len(body["matches"]) == 20:
            before = {"before": body["matches"][-1]["offset"]}
        elif body["complete"]:
            break
    assert found == [line for line in LINES if "line 77" in line][::-1]


def test_a_search_stops_at_so_many_bytes_and_says_how_far_it_came(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_search, "BLOCK_BYTES", 30_000)
    found = log_search.search(log, log_search.plain("line"), most_bytes=100_000, limit=3)
    assert not found.complete
    assert 100_000 <= found.scanned_to - found.scanned_from <= 100_000 + log_search.BLOCK_BYTES
    assert found.count == TEXT[found.scanned_from :].count("\n")
    again = log_search.search(log, log_search.plain("line"), before=found.scanned_from)
    assert found.count + again.count == len(LINES)


@pytest.mark.parametrize(
    ("parameters", "count"),
    [
        ({"search": "line 29999 of many, ODD"}, 1),
        ({"search": "line 29999 of many, ODD", "case": "1"}, 0),
        ({"search": r"^line \d{2} of"}, 0),
        ({"search": r"^line \d{2} of", "regex": "1"}, 90),
        ({"search": r"EVEN$", "regex": "1"}, 15_000),
        ({"search": r"EVEN$", "regex": "1", "case": "1"}, 0),
        ({"search": "no such thing"}, 0),
    ],
)
def test_plain_text_is_the_default_and_expressions_are_possible(
    operator: Client, log: Path, parameters: dict[str, str], count: int
) -> None:
    assert search(operator, **parameters).json()["count"] == count


def test_letters_of_all_alphabets_are_found_in_either_case(operator: Client, log: Path) -> None:
    with log.open("a") as file:
        file.write("Größe ÄNDERN\nПривет\nİstanbul\n")
    for text in ("ändern", "ÄNDERN", "GRÖSSE", "ПРИВЕТ"):
        assert search(operator, search=text).json()["count"] == 1, text


def test_an_expression_that_would_never_end_is_ended_and_hangs_nobody(
    operator: Client, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catastrophic backtracking holds the interpreter: it must not be this one's."""
    monkeypatch.setattr(log_finding, "MOST_SECONDS", 1.0)
    with log.open("a") as file:
        file.write("a" * 60 + "b\n")
    started = time.monotonic()
    problem = assert_problem(search(operator, search="^(a+)+$", regex="1"), 422, "search-too-slow")
    assert time.monotonic() - started < 5
    assert "plain text" in problem["detail"]
    assert search(operator, search="line 77").json()["count"] == 111


@pytest.mark.parametrize("pattern", ["(", "[z-a]", "(?P<a>.)(?P<a>.)", "a{99999999999}", "(" * 250])
def test_what_is_no_expression_is_said_at_the_field(operator: Client, log: Path, pattern: str) -> None:
    problem = assert_problem(search(operator, search=pattern, regex="1"), 422, "bad-pattern")
    assert list(problem["errors"]) == ["search"]


def test_a_line_of_megabytes_and_binary_junk_are_searched(operator: Client, log: Path) -> None:
    with log.open("ab") as file:
        file.write(
            b"m" * 5_000_000 + b"needle" + b"m" * 5_000_000 + b"\n" + bytes(range(256)) * 4000 + b"\nneedle\n"
        )
    body = search(operator, search="needle").json()
    assert body["count"] == 2
    assert body["matches"][0]["line"] == "needle"
    assert len(body["matches"][1]["line"]) <= log_search.LINE_BYTES


def test_what_stands_around_a_line_is_shown(operator: Client, log: Path) -> None:
    for wanted in ("line 777 of", "line 15000 of", "line 29999 of", "line 0 of"):
        (match,) = search(operator, search=wanted).json()["matches"]
        body = operator.get(f"/api/services/web/log?around={match['offset']}&lines=100").json()
        number = int(wanted.split()[1])
        assert body["lines"][body["found"]] == LINES[number]
        assert body["lines"] == LINES[max(0, number - 50) : number + 50 + max(0, 50 - number)]


# --- what is kept, and downloads -----------------------------------------------------------------------


def test_the_archives_are_listed_with_sizes_times_and_ranges(operator: Client, log: Path) -> None:
    body = operator.get("/api/services/web/log/archives").json()
    newest, oldest = body["archives"]
    assert (newest["number"], newest["compressed"]) == (1, False)
    assert (oldest["number"], oldest["compressed"]) == (2, True)
    assert oldest["stored_bytes"] < oldest["to"] - oldest["from"]
    assert (body["from"], oldest["from"], body["to"]) == (0, 0, len(TEXT))
    assert oldest["to"] == newest["from"] < newest["to"] == body["live_from"]
    assert oldest["ended_at"].endswith("Z") or "+00:00" in oldest["ended_at"]
    assert body["apart"] is False


async def download(user: User, **parameters: Any) -> tuple[Any, bytes]:
    client = AsyncClient()
    await client.aforce_login(user)
    response: Any = await client.get("/api/services/web/log/download", parameters)
    body = b"".join([piece async for piece in response]) if response.streaming else response.content
    response.close()
    await sync_to_async(connections.close_all)()
    return response, body


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, TEXT),
        ({"from": 5}, TEXT[5:]),
        ({"from": 100_000, "to": 900_000}, TEXT[100_000:900_000]),
        ({"from": 10, "to": 10}, ""),
        ({"from": 10**12}, ""),
        ({"to": 10**12}, TEXT),
        ({"last": 10**12}, TEXT),
        ({"last": 1000}, TEXT[TEXT.index("\n", len(TEXT) - 1001) + 1 :]),
    ],
)
async def test_any_range_is_downloaded_across_archives_and_the_live_log(
    alice: User, log: Path, parameters: dict[str, int], expected: str
) -> None:
    response, body = await download(alice, **parameters)
    assert response.status_code == 200
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert response["Content-Disposition"] == 'attachment; filename="web.log"'
    assert response["X-Content-Type-Options"] == "nosniff"
    assert int(response["Content-Length"]) == len(body)
    assert body.decode() == expected


@pytest.mark.django_db(transaction=True)
async def test_one_archive_is_downloaded_as_text(alice: User, log: Path) -> None:
    response, body = await download(alice, archive=2)
    assert response["Content-Disposition"] == 'attachment; filename="web.2.log"'
    assert body == gzip.decompress(log.with_name("web.log.2.gz").read_bytes())
    refused, _ = await download(alice, archive=7)
    assert_problem(refused, 404, "no-such-archive")


@pytest.mark.django_db(transaction=True)
async def test_a_download_goes_on_while_the_log_is_rotated(alice: User, log: Path) -> None:
    """Scenario 23."""
    client = AsyncClient()
    await client.aforce_login(alice)
    response: Any = await client.get("/api/services/web/log/download")
    pieces = []
    async for piece in response:
        pieces.append(piece)
        if len(pieces) == 1:
            rotate(log, max_bytes=10_000, keep=5)
            while pack_one(log, nullcontext(), lambda: False):
                pass
    response.close()
    await sync_to_async(connections.close_all)()
    assert len(pieces) > 2
    assert b"".join(pieces).decode() == TEXT


@pytest.mark.django_db(transaction=True)
async def test_a_download_whose_archive_goes_away_breaks_off(alice: User, log: Path) -> None:
    """Its length was promised: to end early, or to skip, would look like the whole."""
    client = AsyncClient()
    await client.aforce_login(alice)
    response: Any = await client.get("/api/services/web/log/download")

    async def read() -> None:
        async for _ in response:
            log.with_name("web.log.1").unlink(missing_ok=True)

    with pytest.raises(OSError, match="was cut"):
        await read()
    response.close()
    await sync_to_async(connections.close_all)()


def test_stderr_is_a_log_of_its_own_where_it_is_apart(operator: Client, log: Path) -> None:
    service = make_service("two", log_stderr_apart=True)
    service.log_path.write_text("out\n")
    service.stderr_path.write_text("err\n")
    read: Callable[[str], Any] = lambda query: operator.get(f"/api/services/{query}").json()  # noqa: E731
    assert read("two/log?offset=0")["lines"] == ["out"]
    assert read("two/log?offset=0&stream=stderr")["lines"] == ["err"]
    assert read("two/log?search=r&stream=stderr")["count"] == 1
    assert read("two/log/archives?stream=stderr")["to"] == 4
    assert read("web/log?offset=0&stream=stderr")["lines"][0] == LINES[0]  # both in one
    assert_problem(operator.get("/api/services/two/log?stream=../two.log"), 422, "invalid")


def test_every_way_to_a_log_needs_the_permission_to_read_logs(bob: User, log: Path) -> None:
    for path in ("log?search=line", "log?around=0", "log/archives", "log/download", "log/download?last=5"):
        assert_problem(client_of(bob).get(f"/api/services/web/{path}"), 403, "not-permitted")


def test_a_log_on_another_node_is_said_to_be_there(operator: Client, log: Path) -> None:
    make_service("far", node=make_node("elsewhere"))
    for path in ("log?search=line", "log?around=0", "log/archives", "log/download"):
        problem = assert_problem(operator.get(f"/api/services/far/{path}"), 409, "log-elsewhere")
        assert "elsewhere" in problem["detail"]
