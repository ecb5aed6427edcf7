"""A service's log on a page's stream: from its end, in order, across rotations, never ahead of the client."""

# ruff: noqa: ASYNC240  (the test writes the files that the source reads, in the same loop)

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django.fixtures import Settings

from medimgr.events import sources
from medimgr.events.sources import Outlet
from medimgr.lib.access import NotAllowed
from monitoring import log_source
from monitoring.exceptions import UnknownService
from monitoring.log_source import LogSource, open_log_source
from monitoring.models import Service
from monitoring.supervisor.log_rotation import rotate
from tests.events.sse import SseParser
from tests.factories import make_node, make_service


class Page:
    """The stream of a page, as far as a source sees it."""

    def __init__(self) -> None:
        self.is_lagging = False
        self.pieces: list[dict[str, Any]] = []
        self._parser = SseParser()

    def offer(self, chunk: bytes) -> None:
        for message in self._parser.feed(chunk):
            assert (message.name, message.id) == ("log", "")
            self.pieces.append(json.loads(message.text))

    @property
    def lines(self) -> list[str]:
        return [line for piece in self.pieces for line in piece["lines"]]

    async def wait(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110  (what is waited for is in a file)
                await asyncio.sleep(0.01)


@asynccontextmanager
async def following(source: LogSource) -> AsyncIterator[Page]:
    page = Page()
    task = asyncio.create_task(source.run(Outlet(page)))
    try:
        await page.wait(lambda: page.pieces)
        yield page
        assert not task.done(), task.exception()
    finally:
        task.cancel()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "backend.log"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_source, "POLL_SECONDS", 0.01)


def write(log: Path, text: str) -> None:
    with log.open("a") as file:
        file.write(text)


async def test_a_page_begins_with_the_last_part_and_goes_on_with_what_is_written(log: Path) -> None:
    write(log, "".join(f"old {number}\n" for number in range(20_000)))
    async with following(LogSource("backend", log)) as page:
        (first,) = page.pieces
        assert first["lines"][-1] == "old 19999"
        assert first["lines"] == [f"old {number}" for number in range(20_000 - len(first["lines"]), 20_000)]
        assert 0 < len(first["lines"]) <= log_source.FIRST_LINES
        assert first["skipped"] == log.stat().st_size - sum(len(line) + 1 for line in first["lines"])
        assert first["offset"] == log.stat().st_size
        write(log, "new\nnewer\n")
        await page.wait(lambda: page.lines[-2:] == ["new", "newer"])
        assert page.pieces[-1] | {"service": "backend", "skipped": 0, "reset": False} == page.pieces[-1]
        assert page.pieces[-1]["offset"] == log.stat().st_size


async def test_a_page_that_comes_back_goes_on_where_it_was(log: Path) -> None:
    write(log, "known\n")
    offset, inode = log.stat().st_size, log.stat().st_ino
    write(log, "missed\n")
    async with following(LogSource("backend", log, offset=offset, inode=inode)) as page:
        assert page.lines == ["missed"]
    async with following(LogSource("backend", log, offset=log.stat().st_size, inode=inode)) as page:
        assert page.pieces == [page.pieces[0] | {"lines": [], "offset": log.stat().st_size, "reset": False}]


async def test_a_line_is_shown_when_it_is_whole(log: Path) -> None:
    write(log, "")
    async with following(LogSource("backend", log)) as page:
        write(log, "ha")
        write(log, "lf\n")
        await page.wait(lambda: page.lines == ["half"])


async def test_a_log_that_is_rotated_meanwhile_goes_on_as_if_it_were_not(log: Path) -> None:
    """Scenario 23."""
    lines = [f"line {number}" for number in range(12_000)]
    write(log, "".join(f"{line}\n" for line in lines[:2]))
    async with following(LogSource("backend", log)) as page:
        page.is_lagging = True
        write(log, "".join(f"{line}\n" for line in lines[2:11_000]))
        assert rotate(log, max_bytes=50_000, keep=2)
        write(log, "".join(f"{line}\n" for line in lines[11_000:]))
        page.is_lagging = False
        await page.wait(lambda: len(page.lines) >= len(lines))
        assert page.lines == lines
        assert not any(piece["reset"] or piece["skipped"] for piece in page.pieces)
        assert page.pieces[-1]["offset"] == sum(len(line) + 1 for line in lines) > log.stat().st_size


async def test_a_truncated_log_is_begun_anew(log: Path) -> None:
    write(log, "one\ntwo\n")
    async with following(LogSource("backend", log)) as page:
        os.truncate(log, 0)
        write(log, "x\n")
        await page.wait(lambda: page.lines[-1] == "x")
        assert page.pieces[-1]["reset"]


async def test_a_service_that_has_not_written_yet_is_waited_for(log: Path) -> None:
    async with following(LogSource("backend", log)) as page:
        assert page.pieces[0] | {"lines": [], "offset": 0, "skipped": 0} == page.pieces[0]
        write(log, "first words\n")
        await page.wait(lambda: page.lines == ["first words"])


async def test_nothing_is_read_for_a_page_that_does_not_read(log: Path) -> None:
    write(log, "start\n")
    async with following(LogSource("backend", log)) as page:
        page.is_lagging = True
        write(log, "later\n")
        await asyncio.sleep(0.1)  # ten polls, in which nothing may come
        assert page.lines == ["start"]
        page.is_lagging = False
        await page.wait(lambda: page.lines == ["start", "later"])


async def test_a_page_that_falls_far_behind_is_taken_to_the_end_and_told_what_it_missed(log: Path) -> None:
    write(log, "start\n")
    async with following(LogSource("backend", log)) as page:
        page.is_lagging = True
        before = log.stat().st_size
        write(log, "x" * 99 + "\n" + f"{'y' * 99}\n" * 20_000 + "end\n")
        page.is_lagging = False
        await page.wait(lambda: page.lines[-1] == "end")
        (last,) = page.pieces[1:]
        assert len(last["lines"]) <= log_source.FIRST_LINES
        assert before + last["skipped"] + sum(len(line) + 1 for line in last["lines"]) == log.stat().st_size


async def test_a_log_that_grows_fast_comes_in_small_messages(log: Path) -> None:
    write(log, "start\n")
    async with following(LogSource("backend", log)) as page:
        lines = [f"line {number:05} {'z' * 50}" for number in range(8000)]
        write(log, "\n".join(lines) + "\n")
        await page.wait(lambda: len(page.lines) == 8001)
        assert page.lines[1:] == lines
        sizes = [sum(len(line) + 1 for line in piece["lines"]) for piece in page.pieces]
        assert max(sizes) <= log_source.PIECE_BYTES


async def test_a_log_that_cannot_be_read_is_explained_once_and_tried_again(log: Path) -> None:
    log.symlink_to(log)  # ELOOP, for root too
    async with following(LogSource("backend", log)) as page:
        assert "cannot be read" in page.pieces[0]["problem"]
        await asyncio.sleep(0.1)  # ten polls, in which nothing may come
        assert len(page.pieces) == 1
        log.unlink()
        write(log, "readable\n")
        await page.wait(lambda: page.lines == ["readable"])
        assert "problem" not in page.pieces[-1]


# --- who may, and what there is ----------------------------------------------------------------------


@pytest.mark.django_db
def test_reading_a_log_needs_the_permission_to(alice: User, bob: User) -> None:
    make_service("backend")
    source = open_log_source(alice, "backend", {})
    assert source.rights == {("tail", Service)}
    with pytest.raises(NotAllowed, match="tail_service"):
        open_log_source(bob, "backend", {})


@pytest.mark.both_databases
@pytest.mark.django_db
@pytest.mark.parametrize("key", ["", "nobody", "../../etc/passwd", "back\0end", "b" * 5000])
def test_only_the_log_of_a_declared_service_can_be_named(alice: User, key: str) -> None:
    make_service("backend")
    with pytest.raises(UnknownService):
        open_log_source(alice, key, {})


@pytest.mark.django_db
@pytest.mark.parametrize("offset", ["", "-5", "x", "1e9", "9" * 40])
async def test_an_offset_that_is_none_means_from_the_last_part(offset: str, log: Path) -> None:
    write(log, "all\nof\nit\n")
    source = LogSource("backend", log, offset=log_source._number(offset))
    async with following(source) as page:
        assert page.lines == ["all", "of", "it"]


@pytest.mark.django_db
def test_a_log_on_another_machine_is_said_to_be_there(alice: User, settings: Settings) -> None:
    make_service("far", node=make_node("another-node"))
    page = Page()
    asyncio.run(open_log_source(alice, "far", {}).run(Outlet(page)))
    (piece,) = page.pieces
    assert "another-node" in piece["problem"]
    assert piece["lines"] == []


@pytest.mark.django_db
def test_streams_know_the_source_by_the_name_log(alice: User) -> None:
    make_service("backend")
    (source,) = sources.open_wanted(alice, {"log": "backend", "topics": "service"})
    assert isinstance(source, LogSource)
    assert sources.open_wanted(alice, {"topics": "service"}) == []
