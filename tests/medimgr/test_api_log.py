"""A service's log through the API: its end, what came after, all of it; and never another file."""

import os
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connections
from django.test import AsyncClient, Client

from monitoring import log_pages
from monitoring.models import Service
from tests.api import assert_problem, client_of
from tests.factories import make_node, make_service

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(alice: User) -> Client:
    return client_of(alice)


@pytest.fixture
def log(db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(settings, "MEDIMGR_DATA_DIR", tmp_path)
    service = make_service("web")
    service.log_path.parent.mkdir()
    return service.log_path


def old(path: Path, text: str) -> None:
    """Write ``text`` as if nothing had been added for a while, so that the last line counts as whole."""
    path.write_text(text)
    os.utime(path, (1_000_000, 1_000_000))


def test_the_last_lines_come_with_the_place_to_go_on_from(operator: Client, log: Path) -> None:
    old(log, "".join(f"line {number}\n" for number in range(1000)))
    body = operator.get("/api/services/web/log?lines=3").json()
    assert body["lines"] == ["line 997", "line 998", "line 999"]
    assert body["offset"] == log.stat().st_size
    assert body["inode"] == log.stat().st_ino
    assert body["service"] == "web"
    with log.open("a") as file:
        file.write("one more\n\nand another\n")
    more = operator.get(f"/api/services/web/log?offset={body['offset']}&inode={body['inode']}").json()
    assert more["lines"] == ["one more", "", "and another"]
    assert (more["reset"], more["skipped"]) == (False, 0)
    assert more["offset"] == log.stat().st_size


def test_a_rotated_file_is_said_so(operator: Client, log: Path) -> None:
    old(log, "before\n")
    body = operator.get("/api/services/web/log").json()
    log.rename(log.with_name("gone"))
    old(log, "after\n")
    more = operator.get(f"/api/services/web/log?offset={body['offset']}&inode={body['inode']}").json()
    assert (more["lines"], more["reset"]) == (["after"], True)


def test_a_service_that_never_ran_has_an_empty_log(operator: Client, log: Path) -> None:
    assert operator.get("/api/services/web/log").json()["lines"] == []
    assert_problem(operator.get("/api/services/web/log?download=1"), 404, "no-log-yet")


async def _download(user: User, key: str = "web") -> tuple[Any, bytes]:
    client = AsyncClient()
    await client.aforce_login(user)
    response: Any = await client.get(f"/api/services/{key}/log?download=1")
    body = b"".join([piece async for piece in response]) if response.streaming else response.content
    response.close()
    await sync_to_async(connections.close_all)()
    return response, body


@pytest.mark.django_db(transaction=True)
async def test_the_whole_log_can_be_downloaded(alice: User, log: Path) -> None:
    text = "".join(f"line {number} äöü\n" for number in range(50_000))
    old(log, text)
    response, body = await _download(alice)
    assert response.status_code == 200
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert response["Content-Disposition"] == 'attachment; filename="web.log"'
    assert response["X-Content-Type-Options"] == "nosniff"
    assert body == text.encode()
    assert int(response["Content-Length"]) == len(body)


@pytest.mark.parametrize(
    "key",
    [
        "..",
        ".",
        "../secret",
        "..%2fsecret",
        "%2e%2e%2fsecret",
        "%2e%2e",
        "web%00",
        "web%2f..%2fsecret",
        "WEB",
        "web.log",
    ],
)
@pytest.mark.parametrize(
    "query", ["", "?download=1", "?offset=0", "?search=hunter", "?around=0", "/download", "/archives"]
)
def test_no_key_reaches_another_file(operator: Client, log: Path, key: str, query: str) -> None:
    (log.parent / "secret.log").write_text("hunter2\n")
    (log.parent.parent / "secret.log").write_text("hunter2\n")
    response = operator.get(f"/api/services/{key}/log{query}")
    assert response.status_code == 404
    assert b"hunter2" not in response.content


def test_a_log_of_another_node_is_not_looked_for_here(operator: Client, log: Path) -> None:
    service = make_service("far", node=make_node("elsewhere"))
    service.log_path.write_text("a file of that name is here too\n")
    for query in ("", "?offset=0", "?download=1"):
        problem = assert_problem(operator.get(f"/api/services/far/log{query}"), 409, "log-elsewhere")
        assert "elsewhere" in problem["detail"]


def test_what_is_no_file_is_not_read(operator: Client, log: Path) -> None:
    os.mkfifo(log)
    assert operator.get("/api/services/web/log").json()["lines"] == []
    assert_problem(operator.get("/api/services/web/log?download=1"), 503, "log-unreadable")


def test_a_log_that_may_not_be_read_is_said_so(
    operator: Client, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(log_pages, "tail", refuse)
    problem = assert_problem(operator.get("/api/services/web/log"), 503, "log-unreadable")
    assert "Permission denied" in problem["detail"]
    assert str(log) not in problem["detail"]


def test_the_log_of_a_deleted_service_is_out_of_reach(operator: Client, log: Path) -> None:
    old(log, "still here\n")
    Service.objects.get(key="web").delete()
    assert_problem(operator.get("/api/services/web/log"), 404, "unknown-service")
