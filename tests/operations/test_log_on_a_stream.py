"""An operation's log on a page's stream: all lines, in order, each once, read only where there is news."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import DatabaseError

from medimgr.events import sources
from medimgr.events.models import Event
from medimgr.events.sources import Ears, Outlet
from medimgr.lib.access import NotAllowed
from operations import lifecycle, line_source, log_looks
from operations.exceptions import OperationGone
from operations.line_source import OperationLogSource, open_operation_log
from operations.log_lines import MOST_LINES, OperationLog
from operations.log_looks import Look, Seen
from operations.log_writer import store
from operations.models import Operation
from operations.states import Status
from tests.events.sse import SseParser
from tests.operations.saying import claimed

pytestmark = [pytest.mark.django_db(transaction=True)]


class Page:
    """The stream of a page, as far as a source sees it, and a teller of events."""

    def __init__(self, ears: Ears) -> None:
        self.is_lagging = False
        self.pieces: list[dict[str, Any]] = []
        self.sizes: list[int] = []
        self._parser = SseParser()
        self._ears = ears

    def offer(self, chunk: bytes) -> None:
        self.sizes.append(len(chunk))
        for message in self._parser.feed(chunk):
            assert (message.name, message.id) == ("operation_log", "")
            self.pieces.append(json.loads(message.text))

    @property
    def lines(self) -> list[str]:
        return [line["text"] for piece in self.pieces for line in piece["lines"]]

    async def tell(self) -> None:
        """Tell the newest event, as the broadcaster does."""
        self._ears.hear([await Event.objects.alatest("id")])

    async def wait(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110  (what is waited for comes from threads)
                await asyncio.sleep(0.01)


@asynccontextmanager
async def following(source: OperationLogSource, ears: Ears | None = None) -> AsyncIterator[Page]:
    ears = ears or Ears()
    page = Page(ears)
    task = asyncio.create_task(source.run(Outlet(page, ears)))
    try:
        await page.wait(lambda: page.pieces)
        yield page
        if task.done():
            task.result()
    finally:
        task.cancel()


class Talking:
    """An operation under way that says something now and then."""

    def __init__(self) -> None:
        self.operation = claimed()
        self._log = OperationLog(self.operation)

    def say(self, *lines: str) -> None:
        for line in lines:
            self._log.add(line)
        store([self._log])

    def end(self) -> None:
        lifecycle.finish(self.operation, Status.SUCCESS)


say = sync_to_async(Talking.say)
end = sync_to_async(Talking.end)


@pytest.fixture
def talking() -> Talking:
    return Talking()


async def test_a_page_begins_with_all_lines_and_goes_on_with_what_is_said(talking: Talking) -> None:
    await say(talking, "one", "two")
    async with following(OperationLogSource(talking.operation.pk)) as page:
        (first,) = page.pieces
        assert [(line["number"], line["level"], line["text"]) for line in first["lines"]] == [
            (1, "info", "one"),
            (2, "info", "two"),
        ]
        assert first | {"last": 2, "log_lines": 2, "complete": False} == first
        await say(talking, "three")
        await page.tell()
        await page.wait(lambda: page.lines == ["one", "two", "three"])


async def test_a_page_that_comes_back_goes_on_where_it_was(talking: Talking) -> None:
    await say(talking, "known", "missed")
    async with following(OperationLogSource(talking.operation.pk, after=1)) as page:
        assert page.lines == ["missed"]
    async with following(OperationLogSource(talking.operation.pk, after=2)) as page:
        assert page.lines == []
    # More than there is: it is from another database.
    async with following(OperationLogSource(talking.operation.pk, after=77)) as page:
        assert page.lines == ["known", "missed"]


async def test_the_end_is_told_and_nothing_is_looked_at_any_more(talking: Talking) -> None:
    await say(talking, "one")
    ears = Ears()
    source = OperationLogSource(talking.operation.pk)
    page = Page(ears)
    task = asyncio.create_task(source.run(Outlet(page, ears)))
    await page.wait(lambda: page.pieces)
    await end(talking)
    await page.tell()
    await asyncio.wait_for(task, 5)
    assert page.pieces[-1]["complete"]
    assert not ears._heeding
    async with following(OperationLogSource(talking.operation.pk)) as again:
        assert again.lines == ["one"]
        assert again.pieces[-1]["complete"]


async def test_an_operation_that_says_nothing_is_told_so(talking: Talking) -> None:
    await end(talking)
    async with following(OperationLogSource(talking.operation.pk)) as page:
        assert page.pieces == [page.pieces[0] | {"lines": [], "last": 0, "log_lines": 0, "complete": True}]


async def test_a_whole_log_comes_in_messages_of_bounded_size(talking: Talking) -> None:
    lines = [f"{number} " + "é" * 90 for number in range(MOST_LINES)]
    await say(talking, *lines)
    await end(talking)
    async with following(OperationLogSource(talking.operation.pk)) as page:
        await page.wait(lambda: page.pieces[-1]["complete"])
        assert page.lines == lines
        assert max(page.sizes) < 512 * 1024  # what is held for a client that does not read is twice as much


async def test_nothing_is_read_without_news(talking: Talking, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[Look] = []
    see = log_looks.see

    def counted(wanted: Look) -> Seen:
        looks.append(wanted)
        return see(wanted)

    monkeypatch.setattr(log_looks, "see", counted)
    await say(talking, "one")
    async with following(OperationLogSource(talking.operation.pk)) as page:
        await asyncio.sleep(0.3)  # in which nothing may be asked
        assert len(looks) == 1
        await page.tell()  # an event that brings no line
        await sync_to_async(lifecycle.report)(talking.operation, 1, 2, "half")
        await page.tell()
        await asyncio.sleep(0.1)  # in which it takes them
        assert len(looks) == 1
        await say(talking, "two")
        await page.tell()
        await page.wait(lambda: page.lines == ["one", "two"])
        assert len(looks) == 2


async def test_a_thousand_viewers_cost_one_look(talking: Talking, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[Look] = []
    see = log_looks.see

    def counted(wanted: Look) -> Seen:
        looks.append(wanted)
        return see(wanted)

    monkeypatch.setattr(log_looks, "see", counted)
    ears = Ears()
    pages = [Page(ears) for _ in range(1000)]
    tasks = [
        asyncio.create_task(OperationLogSource(talking.operation.pk).run(Outlet(page, ears)))
        for page in pages
    ]
    try:
        await pages[-1].wait(lambda: all(page.pieces for page in pages))
        looks.clear()
        await say(talking, "one", "two")
        await pages[0].tell()
        await pages[-1].wait(lambda: all(page.lines == ["one", "two"] for page in pages))
        assert len(looks) == 1
    finally:
        for task in tasks:
            task.cancel()


async def test_whoever_goes_away_takes_nothing_from_the_others(talking: Talking) -> None:
    await say(talking, "one")
    wanted = Look(talking.operation.pk, 0)
    leaving, staying = (
        asyncio.create_task(log_looks.look(wanted)),
        asyncio.create_task(log_looks.look(wanted)),
    )
    await asyncio.sleep(0)  # one turn: both have asked
    leaving.cancel()
    assert (await asyncio.wait_for(staying, 5)).last == 1


async def test_nothing_is_read_for_a_page_that_does_not_read(talking: Talking) -> None:
    async with following(OperationLogSource(talking.operation.pk)) as page:
        page.is_lagging = True
        await say(talking, "later")
        await page.tell()
        await asyncio.sleep(0.3)  # in which nothing may come
        assert page.lines == []
        page.is_lagging = False
        await page.wait(lambda: page.lines == ["later"])


async def test_a_database_that_is_away_is_waited_for(
    talking: Talking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_source, "AWAY_SECONDS", 0.02)
    see = log_looks.see
    away = [True]

    def see_or_fail(wanted: Look) -> Seen:
        if away[0]:
            raise DatabaseError("gone")
        return see(wanted)

    async with following(OperationLogSource(talking.operation.pk)) as page:
        monkeypatch.setattr(log_looks, "see", see_or_fail)
        await say(talking, "said meanwhile")
        await page.tell()
        await asyncio.sleep(0.1)  # some looks in vain
        assert page.lines == []
        away[0] = False
        await page.wait(lambda: page.lines == ["said meanwhile"])


async def test_a_log_of_events_that_began_anew_makes_it_look(talking: Talking) -> None:
    ears = Ears()
    async with following(OperationLogSource(talking.operation.pk), ears) as page:
        await say(talking, "unheard of")
        ears.start_over()
        await page.wait(lambda: page.lines == ["unheard of"])


async def test_an_operation_that_is_purged_at_this_moment_is_said_to_be_gone(talking: Talking) -> None:
    source = OperationLogSource(talking.operation.pk)
    await Operation.objects.all().adelete()
    async with following(source) as page:
        assert "does not exist any more" in page.pieces[0]["problem"]


# --- who may, and what there is ----------------------------------------------------------------------------


def test_following_a_log_needs_the_permission_to_see_operations(alice: User, bob: User) -> None:
    operation = claimed()
    source = open_operation_log(alice, str(operation.pk), {})
    assert source.rights == {("view", Operation)}
    with pytest.raises(NotAllowed, match="view_operation"):
        open_operation_log(User.objects.create_user("eve", is_staff=True), str(operation.pk), {})


@pytest.mark.both_databases
@pytest.mark.parametrize("value", ["", "0", "-1", "abc", "1e3", "9" * 18, "9" * 40, "1\0", "٣"])
def test_only_an_operation_that_exists_can_be_followed(alice: User, value: str) -> None:
    with pytest.raises(OperationGone, match="There is no operation"):
        open_operation_log(alice, value, {})


def test_streams_know_the_source_by_the_name_operation_log(alice: User) -> None:
    operation = claimed()
    wanted = {"operation_log": str(operation.pk), "operation_log_after": "5", "topics": "operation"}
    (source,) = sources.open_wanted(alice, wanted)
    assert isinstance(source, OperationLogSource)
    assert source._last == 5
