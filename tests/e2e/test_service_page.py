"""One service's page: log, history and figures live, over the tab's one connection."""

import re
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import RunningMedimgr
from tests.e2e.watching import (
    PATIENCE_MS,
    assert_not_reloaded,
    confirm,
    declared,
    expect_connections,
    mark,
    open_service,
)

CHATTY = """
import itertools, sys, time
print("<b>begun</b>", flush=True)
for number in itertools.count(1):
    level = "ERROR" if number % 10 == 0 else "INFO"
    print(f"{level} line {number} of many", flush=True)
    time.sleep(0.05)
"""


@pytest.fixture(scope="module")
def chatty(running: RunningMedimgr) -> Iterator[str]:
    """The key of a service that writes twenty lines a second."""
    with declared(running, "chatty", command=[sys.executable, "-c", CHATTY]):
        running.instance.wait_for(
            lambda: running.service("chatty")["state"] == "RUNNING", 20, "the chatty service runs"
        )
        yield "chatty"


@pytest.fixture
def log(page: Page, chatty: str) -> Locator:
    """The lines of the log on the page of the chatty service."""
    open_service(page, chatty)
    mark(page)
    lines = page.locator("#log-lines > div")
    expect(lines.first).to_be_visible()
    return lines


def newest(log: Locator) -> int:
    """Return the number in the last line."""
    found = re.search(r"line (\d+) of many", log.last.inner_text())
    assert found
    return int(found.group(1))


def scroll(page: Page) -> dict[str, int]:
    measured: dict[str, int] = page.locator("#log-lines").evaluate(
        "box => ({top: box.scrollTop, height: box.scrollHeight, shown: box.clientHeight})"
    )
    return measured


def test_the_log_grows_while_one_looks_and_needs_no_second_connection(
    page: Page, log: Locator, running: RunningMedimgr
) -> None:
    before = newest(log)
    expect(log.filter(has_text=re.compile(rf"line {before + 40} of many"))).to_have_count(1)
    numbers = [int(n) for n in re.findall(r"line (\d+) of many", page.locator("#log-lines").inner_text())]
    assert numbers == list(range(numbers[0], numbers[-1] + 1))  # none missing, none twice
    expect(log.filter(has_text="ERROR").first).to_have_class("error")
    measured = scroll(page)
    assert measured["top"] + measured["shown"] >= measured["height"] - 24
    expect_connections(running, ["/monitoring/services/chatty/"])
    assert_not_reloaded(page)


def test_who_looks_back_is_left_in_peace_until_they_follow_again(page: Page, log: Locator) -> None:
    expect(log.nth(60)).to_be_attached()
    page.locator("#log-lines").hover()
    page.mouse.wheel(0, -400)
    follow = page.locator("#log-follow")
    expect(follow).to_have_text("Follow")
    expect(follow).to_have_attribute("aria-pressed", "false")
    top, seen = scroll(page)["top"], newest(log)
    expect(log.filter(has_text=re.compile(rf"line {seen + 20} of many"))).to_have_count(1)
    assert scroll(page)["top"] == top
    follow.click()
    expect(follow).to_have_text("Following")
    measured = scroll(page)
    assert measured["top"] + measured["shown"] >= measured["height"] - 24


def test_the_log_is_filtered_as_it_comes(page: Page, log: Locator) -> None:
    expect(log.filter(has_text="ERROR").nth(2)).to_be_attached()
    page.locator("#log-text").fill("error LINE")
    page.get_by_role("button", name="Only matches").click()
    shown = page.locator("#log-lines > div:visible")
    expect(shown.first).to_contain_text("ERROR")
    before = shown.count()
    expect(shown.nth(before + 1)).to_be_visible()  # new ones come, as far as they fit
    assert all("ERROR line" in text for text in shown.all_inner_texts())
    expect(page.locator("#log-count")).to_have_text(re.compile(r"^\d+ of \d+ lines"))
    page.locator("#log-text").fill("")
    expect(shown.filter(has_text="INFO").first).to_be_attached()


def test_the_log_is_downloaded_whole_and_its_markup_is_text(page: Page, log: Locator, chatty: str) -> None:
    page.locator("#log-download summary").click()
    with page.expect_download() as waiting:
        page.get_by_role("link", name="All that is kept").click()
    text = waiting.value.path().read_text(encoding="utf-8")
    assert waiting.value.suggested_filename == f"{chatty}.log"
    assert text.startswith("<b>begun</b>\nINFO line 1 of many\n")
    assert page.locator("#log-lines b").count() == 0


def test_the_history_is_live(page: Page, running: RunningMedimgr) -> None:
    key = "ballot-microservice"
    open_service(page, key)
    mark(page)
    changes = page.locator("#history li[data-change]")
    before = changes.count()
    old = page.locator('.figures [data-field="pid"]').inner_text()
    page.locator('[data-action="restart"]').click()
    confirm(page, "to see it")
    expect(changes.nth(before + 2)).to_be_attached(timeout=PATIENCE_MS)
    expect(changes.first).to_have_attribute("data-state", "RUNNING")
    expect(changes.first).to_contain_text("admin")
    expect(page.locator('.figures [data-field="pid"]')).not_to_have_text(old)
    expect(page.locator('.figures [data-field="uptime"]')).to_have_text(re.compile(r"^\d+ s$"))
    assert_not_reloaded(page)
    live = [text.split("\n")[0] for text in changes.all_inner_texts()][:4]
    page.reload()
    assert [text.split("\n")[0] for text in changes.all_inner_texts()][:4] == live


def test_auto_recovery_is_turned_off_and_on_from_the_page(page: Page, running: RunningMedimgr) -> None:
    key = "network-dashboard"
    open_service(page, key)
    switch = page.get_by_role("switch")
    expect(switch).to_have_attribute("aria-checked", "true")
    switch.click()
    expect(switch).to_have_attribute("aria-checked", "false", timeout=PATIENCE_MS)
    assert running.service(key)["auto_recovery"] is False
    expect(switch).not_to_have_attribute("aria-disabled", "true")
    switch.click()
    expect(switch).to_have_attribute("aria-checked", "true", timeout=PATIENCE_MS)
    assert running.service(key)["auto_recovery"] is True


def test_what_a_service_needs_is_shown_with_its_state_and_leads_there(page: Page) -> None:
    open_service(page, "frontend")
    tie = page.locator('[data-tie="backend"]')
    expect(tie).to_have_attribute("data-state", "RUNNING")
    tie.click()
    expect(page.locator("h1")).to_have_text("MediVote backend")
    expect(page.locator('[data-tie="frontend"]')).to_be_visible()
