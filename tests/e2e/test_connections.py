"""The monitor's count is the number of open pages: exactly, always, and at once.

The seed of this file is a bug report: seven connections in the monitor, and one tab.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.e2e.conftest import ADMIN, RunningMedimgr, cookies_of
from tests.e2e.watching import (
    assert_not_reloaded,
    connection_rows,
    expect_connections,
    expect_link,
    kill_9,
    mark,
    new_context,
    open_service,
    open_services,
    own_browser,
)

SERVICES = "/monitoring/"
MONITOR = "/monitoring/connections/"
AT_ONCE = 2.0
"""Seconds: what a page's goodbye or its closed socket takes at most."""


@pytest.fixture(autouse=True)
def nobody_else(running: RunningMedimgr) -> None:
    """Begin with no connection: the pages of the tests before have closed theirs."""
    expect_connections(running, [], timeout=AT_ONCE)


def test_one_tab_is_one_connection(page: Page, running: RunningMedimgr) -> None:
    open_services(page)
    expect_connections(running, [SERVICES], AT_ONCE)
    expect(page.locator("#connection-count")).to_have_text("1")


def test_a_tab_that_is_reloaded_again_and_again_stays_one(page: Page, running: RunningMedimgr) -> None:
    open_services(page)
    for _ in range(4):
        for _ in range(4):
            page.reload(wait_until="domcontentloaded")  # its stream is just being opened
        expect_link(page, "live")
        expect_connections(running, [SERVICES], AT_ONCE)
    for _ in range(3):
        page.reload()
        expect_link(page, "live")
    expect_connections(running, [SERVICES], AT_ONCE)
    expect(page.locator("#connection-count")).to_have_text("1")


def test_no_browser_keeps_a_stream_to_use_its_connection_again(running: RunningMedimgr) -> None:
    """Chromium did so for five seconds, where a page went just after its stream had begun."""
    with running.client.stream("GET", "/events/", params={"topics": "service"}) as response:
        assert response.headers["Connection"] == "close"
        expect_connections(running, [""], AT_ONCE)
    expect_connections(running, [], AT_ONCE)


def test_wherever_a_tab_goes_its_connection_goes_along(page: Page, running: RunningMedimgr) -> None:
    open_services(page)
    expect_connections(running, [SERVICES], AT_ONCE)
    open_service(page, "backend")
    expect_connections(running, ["/monitoring/services/backend/"], AT_ONCE)
    page.get_by_role("link", name="Operations", exact=True).click()
    expect_link(page, "live")
    expect_connections(running, ["/operations/"], AT_ONCE)
    page.get_by_role("link", name="Admin", exact=True).click()
    page.wait_for_url("**/admin/")
    expect_connections(running, [], AT_ONCE)  # the admin is not live
    page.go_back()
    expect_link(page, "live")
    expect_connections(running, ["/operations/"], AT_ONCE)
    page.go_back()
    expect_link(page, "live")
    expect_connections(running, ["/monitoring/services/backend/"], AT_ONCE)


def test_each_tab_is_one_and_a_closed_one_is_gone_at_once(
    page: Page, context: BrowserContext, running: RunningMedimgr
) -> None:
    open_services(page)
    mark(page)
    second = context.new_page()
    open_services(second)
    third = context.new_page()
    open_service(third, "backend")
    expect_connections(running, [SERVICES, SERVICES, "/monitoring/services/backend/"], AT_ONCE)
    expect(page.locator("#connection-count")).to_have_text("3")
    second.close()
    expect_connections(running, [SERVICES, "/monitoring/services/backend/"], AT_ONCE)
    third.close()
    expect_connections(running, [SERVICES], AT_ONCE)
    expect(page.locator("#connection-count")).to_have_text("1")
    assert_not_reloaded(page)


def test_a_browser_that_dies_takes_its_connections_along(
    browser: Browser, running: RunningMedimgr, logged_in: dict[str, Any]
) -> None:
    other, process = own_browser(browser)
    context = new_context(other, running, logged_in)
    for _ in range(3):
        open_services(context.new_page())
    expect_connections(running, [SERVICES] * 3, AT_ONCE)
    kill_9(process.pid)
    process.wait(10)
    expect_connections(running, [], AT_ONCE)


def test_the_monitor_lists_exactly_those_who_watch(
    page: Page, context: BrowserContext, running: RunningMedimgr
) -> None:
    page.goto(MONITOR)
    expect_link(page, "live")
    mark(page)
    rows = page.locator("tr[data-connection]")
    expect(rows).to_have_count(1)
    expect(page.locator("#connections-sentence")).to_have_text("One live connection is open.")
    expect(rows.locator(".badge")).to_have_text("this page")
    second = context.new_page()
    open_service(second, "backend")
    expect(rows).to_have_count(2)
    expect(page.locator("#connections-sentence")).to_have_text("2 live connections are open.")
    its_row = rows.filter(has_text="/monitoring/services/backend/")
    expect(its_row.locator('[data-field="user"]')).to_have_text(ADMIN)
    expect(its_row.locator('[data-field="address"]')).to_have_text("127.0.0.1")
    expect(its_row.locator('[data-field="bytes"]')).to_have_text(re.compile(r"^[\d.]+ K?B$"))
    shown = {int(found.get_attribute("data-connection") or 0) for found in rows.all()}
    assert shown == {connection.pk for connection in connection_rows(running)}
    second.close()
    expect(rows).to_have_count(1, timeout=AT_ONCE * 1000)
    expect(page.locator("#connections-sentence")).to_have_text("One live connection is open.")
    assert_not_reloaded(page)


def test_a_stream_that_the_page_cannot_close_itself_is_noticed(
    page: Page, context: BrowserContext, running: RunningMedimgr
) -> None:
    """Without the page's goodbye the closed socket alone has to tell."""
    context.route("**/events/disconnect/", lambda route: route.abort())
    open_services(page)
    expect_connections(running, [SERVICES], AT_ONCE)
    page.goto("/admin/")
    expect_connections(running, [], AT_ONCE)
    open_services(page)
    page.close()
    expect_connections(running, [], AT_ONCE)


# --- with a heartbeat every second ------------------------------------------------------------------


@pytest.fixture
def person(browser: Browser, breakable: RunningMedimgr) -> Iterator[BrowserContext]:
    """A browser with a login of its own, in the installation whose streams say something every second."""
    context = new_context(browser, breakable, cookies_of(browser, breakable))
    yield context
    context.close()


def test_a_logout_in_one_tab_ends_the_streams_of_all(
    person: BrowserContext, breakable: RunningMedimgr
) -> None:
    first, second = person.new_page(), person.new_page()
    open_services(first)
    open_services(second)
    expect_connections(breakable, [SERVICES, SERVICES], AT_ONCE)
    second.get_by_role("button", name="Log out").click()
    second.wait_for_url("**/login/**")
    expect_link(first, "ended", timeout=3000)
    expect(first.locator("#stale-banner")).to_contain_text("session has ended")
    expect(first.locator("#link-text")).to_have_text("Logged out")
    expect_connections(breakable, [], AT_ONCE)
    # And it does not try again by itself: the link leads to the login and back here.
    first.locator("#login-again").click()
    expect(first).to_have_url(re.compile(r"/login/\?next=%2Fmonitoring%2F"))


def test_somebody_s_connection_is_ended_and_comes_back_when_they_want(
    browser: Browser, page: Page, running: RunningMedimgr, logged_in: Any
) -> None:
    watcher = new_context(browser, running, logged_in)
    try:
        monitor = watcher.new_page()
        monitor.goto(MONITOR)
        open_services(page)
        expect_connections(running, [MONITOR, SERVICES], AT_ONCE)
        own = monitor.locator("tr.mine")
        expect(own).to_have_count(1)
        expect(own.get_by_role("button")).to_have_count(0)
        monitor.get_by_role("button", name=f"End the connection of {ADMIN} to {SERVICES}").click()
        expect(monitor.locator("#connections-told")).to_contain_text(f"The connection of {ADMIN} was ended.")
        expect(monitor.locator("#connection-rows tr")).to_have_count(1)
        expect_link(page, "refused")
        expect(page.locator("#stale-banner")).to_contain_text("Somebody ended this page's connection.")
        expect_connections(running, [MONITOR], AT_ONCE)
        page.get_by_role("button", name="Reconnect now").click()
        expect_link(page, "live")
        expect_connections(running, [MONITOR, SERVICES], AT_ONCE)
    finally:
        watcher.close()


def test_a_test_event_goes_all_the_way_and_says_how_long_it_took(page: Page) -> None:
    page.goto(MONITOR)
    expect_link(page, "live")
    count = page.locator("#connection-count").inner_text()
    page.get_by_role("button", name="Send a test event").click()
    told = page.locator("#connections-told")
    expect(told).to_have_text(re.compile(r"The test event arrived on this page after \d+ ms\."))
    expect(page.get_by_role("button", name="Send a test event")).to_be_enabled()
    expect(page.locator("#connection-count")).to_have_text(count)
