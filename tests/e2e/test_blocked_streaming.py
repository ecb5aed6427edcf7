"""Something on the way holds streams back: the page polls, says so, and streams again once that works."""

import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import launch_options
from tests.buffering_proxy import BufferingProxy, buffering_proxy
from tests.e2e.conftest import RunningMedimgr, watch_for_faults
from tests.e2e.watching import (
    PATIENCE_MS,
    assert_not_reloaded,
    cell,
    declared,
    expect_another_pid,
    expect_connections,
    expect_link,
    kill_9,
    mark,
)

KEY = "backend"
POLLING = "Live, every 3 s"
TALKER = """
import itertools, time
for number in itertools.count():
    print("line", number, flush=True)
    time.sleep(0.05)
"""


@pytest.fixture
def proxy(breakable: RunningMedimgr) -> Iterator[BufferingProxy]:
    """A proxy that collects answers until they are complete."""
    with buffering_proxy(breakable.port) as running:
        yield running
    expect_connections(breakable, [], timeout=5)


@pytest.fixture
def page(
    proxy: BufferingProxy, browser: Browser, breakable: RunningMedimgr, logged_in_to_breakable: Any
) -> Iterator[Page]:
    """A page behind the proxy, whose clock tests can put forward."""
    own = browser.browser_type.launch(**launch_options())
    context = own.new_context(
        base_url=f"http://127.0.0.1:{proxy.port}",
        storage_state=logged_in_to_breakable,
        viewport={"width": 1280, "height": 800},
    )
    faults = watch_for_faults(context)
    page = context.new_page()
    page.clock.install()
    yield page
    own.close()
    assert faults == []


def open_until_it_polls(page: Page, path: str) -> None:
    page.goto(path)
    mark(page)
    for seconds in (5, 9):  # two streams that say nothing
        expect_link(page, "connecting")
        page.wait_for_function("() => medimgr.client.hasStream")
        page.clock.fast_forward(1000 * seconds)
    expect(page.locator("#link-text")).to_have_text(POLLING)


def test_a_page_whose_stream_is_held_back_polls_and_says_so(
    page: Page, proxy: BufferingProxy, breakable: RunningMedimgr
) -> None:
    open_until_it_polls(page, "/monitoring/")
    expect_link(page, "live")
    badge = page.locator("#link-state")
    expect(badge).to_have_attribute("title", re.compile("every 3 seconds.* proxy .*proxy_buffering off"))
    expect(page.locator("#stale-banner")).to_be_hidden()
    # What was held back has been let go: no stream, so nothing in the monitor.
    expect_connections(breakable, [])

    old = breakable.pids()[KEY]
    assert old is not None
    kill_9(old)
    expect_another_pid(page, KEY, old)
    before = cell(page, KEY, "cpu").inner_text()
    expect(cell(page, KEY, "cpu")).not_to_have_text(before, timeout=PATIENCE_MS)  # measurements go on

    # It tries a stream every minute, and stays with it once that works.
    page.clock.fast_forward(67_000)
    expect_connections(breakable, ["/monitoring/"])  # as the server sees it
    expect(page.locator("#link-text")).to_have_text(POLLING)
    page.clock.fast_forward(5_000)
    expect_connections(breakable, [])
    proxy.holds_back = False
    page.clock.fast_forward(67_000)
    expect(page.locator("#link-text")).to_have_text("Live")
    expect_connections(breakable, ["/monitoring/"])
    kill_9(int(cell(page, KEY, "pid").inner_text()))
    expect_another_pid(page, KEY, cell(page, KEY, "pid").inner_text())
    assert_not_reloaded(page)


def test_the_log_of_a_service_grows_without_a_stream(
    page: Page, proxy: BufferingProxy, breakable: RunningMedimgr
) -> None:
    with declared(breakable, "talker", command=[sys.executable, "-c", TALKER]):
        breakable.instance.wait_for(
            lambda: breakable.service("talker")["state"] == "RUNNING", 20, "the talker runs"
        )
        open_until_it_polls(page, "/monitoring/services/talker/")
        lines = page.locator("#log-lines > div")
        expect(lines.first).to_have_text("line 0")
        first = lines.count()
        expect(lines.nth(first + 20)).to_be_attached(timeout=PATIENCE_MS)
        proxy.holds_back = False
        page.clock.fast_forward(67_000)
        expect(page.locator("#link-text")).to_have_text("Live")
        expect(lines.nth(first + 40)).to_be_attached(timeout=PATIENCE_MS)
        texts = lines.all_inner_texts()
        assert texts == [f"line {number}" for number in range(len(texts))]  # none missing, none twice


def test_a_poll_that_fails_is_a_page_out_of_date(
    page: Page, proxy: BufferingProxy, breakable: RunningMedimgr
) -> None:
    open_until_it_polls(page, "/monitoring/")
    page.route("**/events/poll/**", lambda route: route.abort())
    expect(page.locator("#link-text")).to_have_text(re.compile("^Reconnecting"), timeout=PATIENCE_MS)
    page.clock.fast_forward(11_000)
    expect_link(page, "stale")
    page.unroute("**/events/poll/**")
    page.get_by_role("button", name="Reconnect now").click()
    proxy.holds_back = False
    expect_link(page, "live")
