"""The log on an operation's page: whole, live, and in its place while one reads."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, ViewportSize, expect

from monitoring.models import Service
from operations import lifecycle
from operations.intake import request_operation
from operations.log_lines import MOST_LINES, NOT_KEPT, OperationLog
from operations.log_writer import store
from operations.requester import Requester
from operations.states import Status
from tests.e2e.conftest import RunningMedimgr
from tests.e2e.watching import PATIENCE_MS, assert_not_reloaded, expect_link, mark


class Talker:
    """An operation that this process carries out and that says what a test wants."""

    def __init__(self, running: RunningMedimgr) -> None:
        self._running = running
        with running.instance.database():
            service = Service.objects.filter(builtin=False).order_by("key")[0]
            asked = request_operation(
                "service.auto-recovery-on",
                service,
                service.key,
                queue="tests",
                requester=Requester("tester", "command"),
            )
            (self.operation,) = lifecycle.claim("tests", "tester", lease_seconds=100)
            assert self.operation.pk == asked.pk
        self._log = OperationLog(self.operation)
        self.page = f"/operations/{asked.pk}/"

    def say(self, *texts: str, level: str = "info") -> None:
        for text in texts:
            self._log.add(text, level)
        with self._running.instance.database():
            store([self._log])

    def end(self) -> None:
        with self._running.instance.database():
            lifecycle.finish(self.operation, Status.SUCCESS)

    def forget(self) -> None:
        with self._running.instance.database():
            type(self.operation).objects.filter(pk=self.operation.pk).delete()


@contextmanager
def a_talker(running: RunningMedimgr) -> Iterator[Talker]:
    talker = Talker(running)
    try:
        yield talker
    finally:
        talker.forget()


@pytest.fixture
def talker(running: RunningMedimgr) -> Iterator[Talker]:
    with a_talker(running) as talker:
        yield talker


def lines(page: Page) -> Locator:
    return page.locator("#operation-log-lines > div")


def numbers(page: Page) -> list[int]:
    texts = page.locator("#operation-log-lines").evaluate(
        "(box) => [...box.children].map((line) => line.lastChild.data)"
    )
    return [int(text.removeprefix("line ")) for text in texts]


def open_log(page: Page, talker: Talker) -> None:
    page.goto(talker.page)
    expect_link(page, "live")
    mark(page)


def test_lines_come_as_they_are_said_and_the_end_is_told(page: Page, talker: Talker) -> None:
    open_log(page, talker)
    expect(page.locator("#operation-log-empty")).to_have_text("No lines yet.")
    talker.say("line 1", "line 2")
    expect(lines(page)).to_have_count(2)
    talker.say("line 3", level="warning")
    expect(lines(page).nth(2)).to_have_class("warning")
    expect(page.locator("#operation-log-count")).to_have_text("3 lines")
    expect(lines(page).nth(2).locator("time")).to_be_visible()
    page.get_by_role("button", name="Only warnings and errors").click()
    expect(lines(page).nth(0)).to_be_hidden()
    expect(lines(page).nth(2)).to_be_visible()
    talker.end()
    expect(page.locator("#operation")).to_have_attribute("data-status", "SUCCESS")
    expect(page.get_by_role("button", name="Following")).to_be_hidden()
    assert_not_reloaded(page)
    page.reload()
    expect(lines(page)).to_have_count(3)
    assert numbers(page) == [1, 2, 3]


def test_a_log_of_five_thousand_lines_is_shown_whole_and_holds_up_nothing(page: Page, talker: Talker) -> None:
    talker.say(*(f"line {number}" for number in range(1, MOST_LINES)))
    open_log(page, talker)
    expect(lines(page)).to_have_count(MOST_LINES - 1, timeout=PATIENCE_MS)
    box = page.locator("#operation-log-lines")
    assert box.evaluate("(box) => box.scrollHeight - box.scrollTop - box.clientHeight") < 24
    began = page.evaluate("performance.now()")
    talker.say(f"line {MOST_LINES}", "line too many")
    expect(lines(page).last).to_contain_text(NOT_KEPT)
    assert page.evaluate("performance.now()") - began < 3000
    assert_not_reloaded(page)


def test_whoever_reads_further_up_keeps_the_place(page: Page, talker: Talker) -> None:
    talker.say(*(f"line {number}" for number in range(1, 301)))
    open_log(page, talker)
    expect(lines(page)).to_have_count(300)
    box = page.locator("#operation-log-lines")
    box.evaluate("(box) => { box.scrollTop = 500; }")
    expect(page.get_by_role("button", name="Follow", exact=True)).to_be_visible()
    talker.say("line 301", "line 302")
    expect(lines(page)).to_have_count(302)
    assert box.evaluate("(box) => box.scrollTop") == 500
    page.get_by_role("button", name="Follow", exact=True).click()
    talker.say("line 303")
    expect(lines(page).last).to_be_in_viewport()


def test_a_page_that_shares_the_stream_of_another_tab_has_the_whole_log(
    context: BrowserContext, talker: Talker
) -> None:
    """The lines that the other tab's stream brings begin where that tab is."""
    talker.say("line 1", "line 2", "line 3")
    pages = [context.new_page() for _ in range(5)]
    for page in pages:
        open_log(page, talker)
    talker.say("line 4", "line 5")
    for page in pages:
        expect(lines(page)).to_have_count(5, timeout=PATIENCE_MS)
        assert numbers(page) == [1, 2, 3, 4, 5]
    assert "shared" in {page.evaluate("medimgr.client.link.via") for page in pages}


def test_a_page_whose_stream_is_held_back_asks_for_the_log(page: Page, talker: Talker) -> None:
    """Streams that never say anything: the page polls, and the log with it."""
    page.route("**/events/?*", lambda route: None)  # never answered
    talker.say("line 1")
    page.goto(talker.page)
    expect(page.locator("#link-text")).to_have_text("Live, every 3 s", timeout=30_000)
    expect(lines(page)).to_have_count(1)
    talker.say("line 2")
    expect(lines(page)).to_have_count(2)
    talker.say("line 3")
    talker.end()
    expect(lines(page)).to_have_count(3)
    assert numbers(page) == [1, 2, 3]


def test_the_steps_of_a_service_are_in_the_log_of_its_operation(page: Page, running: RunningMedimgr) -> None:
    key = next(iter(running.pids()))
    answer = running.client.post(f"/api/services/{key}/restart", json={}).raise_for_status().json()
    page.goto(answer["operation"]["url"])
    expect(lines(page).last).to_contain_text("Running, pid ", timeout=PATIENCE_MS)
    expect(lines(page).first).to_contain_text("Stopping pid ")
    running.wait_until_all_run()


def test_a_log_can_be_downloaded(page: Page, talker: Talker) -> None:
    talker.say("first", "second")
    open_log(page, talker)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    text = download.value.path().read_text(encoding="utf-8")
    assert [line.split(" ", 1)[1] for line in text.splitlines()] == ["INFO    first", "INFO    second"]
    assert download.value.suggested_filename == f"operation-{talker.operation.pk}.log"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_a_phone(
    browser: Browser, running: RunningMedimgr, logged_in: Any, talker: Talker, scheme: Any
) -> None:
    talker.say("word " * 200, "x" * 5000)
    phone: ViewportSize = {"width": 390, "height": 844}
    context = browser.new_context(
        base_url=running.url, storage_state=logged_in, viewport=phone, color_scheme=scheme
    )
    try:
        page = context.new_page()
        open_log(page, talker)
        expect(lines(page)).to_have_count(2)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    finally:
        context.close()
