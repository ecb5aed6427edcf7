"""A page that loses its server says so, looks so, and catches up on what it missed."""

import os
import re
import signal

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.conftest import RunningMedimgr
from tests.e2e.watching import (
    PATIENCE_MS,
    assert_not_reloaded,
    cell,
    declared,
    expect_another_pid,
    expect_connections,
    expect_link,
    expect_state,
    kill_9,
    mark,
    open_services,
    order,
)

KEY = "incentive-system"


@pytest.fixture
def services(breakable_context: BrowserContext) -> Page:
    """The services page, live."""
    page = breakable_context.new_page()
    open_services(page)
    mark(page)
    return page


def test_a_page_without_network_looks_stale_and_catches_up(
    services: Page, breakable_context: BrowserContext, breakable: RunningMedimgr
) -> None:
    old = breakable.pids()[KEY]
    assert old is not None
    before = order(services)
    # Chromium's "offline" keeps the connections that are open, so the stream's end has to be cut, too.
    breakable_context.set_offline(True)
    kill_9(breakable.service("medimgr-web-1")["pid"])
    expect_link(services, "reconnecting")
    expect(services.locator("#link-text")).to_have_text(re.compile(r"^Reconnecting (in \d+ s|now)$"))
    kill_9(old)
    with declared(breakable, "meanwhile"):
        expect_link(services, "stale")
        expect(services.locator("#stale-banner")).to_be_visible()
        expect(services.locator("#stale-text")).to_contain_text("What you see is from")
        table = services.locator(".table-frame table")
        assert float(table.evaluate("table => getComputedStyle(table).opacity")) < 0.7
        assert "grayscale" in table.evaluate("table => getComputedStyle(table).filter")
        expect(cell(services, KEY, "pid")).to_have_text(str(old))  # it cannot know better
        breakable_context.set_offline(False)
        expect_link(services, "live")
        expect(services.locator("#stale-banner")).to_be_hidden()
        expect_another_pid(services, KEY, old)
        expect_state(services, "meanwhile", "RUNNING")
        assert float(table.evaluate("table => getComputedStyle(table).opacity")) == 1
        assert [key for key in order(services) if key != "meanwhile"] == before
        assert_not_reloaded(services)
        expect_connections(breakable, ["/monitoring/"])


def test_a_server_that_hangs_is_noticed_by_its_silence(services: Page, breakable: RunningMedimgr) -> None:
    """The connection stays open and nothing comes: only the missing heartbeat tells."""
    web = breakable.service("medimgr-web-1")["pid"]
    old = breakable.pids()[KEY]
    assert old is not None
    os.kill(web, signal.SIGSTOP)
    try:
        kill_9(old)
        expect(services.locator("#link-state")).to_have_attribute(
            "data-state", re.compile("reconnecting|stale"), timeout=PATIENCE_MS
        )
    finally:
        os.kill(web, signal.SIGCONT)
    expect_link(services, "live")
    expect_another_pid(services, KEY, old)
    assert_not_reloaded(services)
    expect_connections(breakable, ["/monitoring/"])
