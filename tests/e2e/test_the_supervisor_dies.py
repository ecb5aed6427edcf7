"""The supervisor is killed with -9: nothing that it looks after stops, and the page tells the truth."""

import re

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.conftest import RunningMedimgr
from tests.e2e.watching import (
    PATIENCE_MS,
    assert_not_reloaded,
    cell,
    expect_connections,
    expect_link,
    expect_state,
    kill_9,
    mark,
    open_services,
    press,
    row,
)

WEB = "medimgr-web-1"
STALE_MS = 14_000
"""The page believes in a silent supervisor for ten seconds, then it asks."""


@pytest.fixture
def services(breakable_context: BrowserContext) -> Page:
    """The services page of the installation that may be broken, live."""
    page = breakable_context.new_page()
    open_services(page)
    mark(page)
    return page


def answering(running: RunningMedimgr) -> set[str]:
    """Return the demo services whose own port answers."""
    found = set()
    for key in running.pids():
        port = running.service(key)["ports"][0]
        if httpx.get(f"http://127.0.0.1:{port}/health", timeout=5).status_code == 200:
            found.add(key)
    return found


def test_nothing_stops_the_page_says_so_and_the_next_supervisor_takes_over(
    services: Page, breakable: RunningMedimgr
) -> None:
    pids = breakable.pids()
    web = breakable.service(WEB)["pid"]
    breakable.up.kill()
    for key in pids:
        expect_state(services, key, "UNKNOWN", timeout=STALE_MS)
    expect(services.locator("#health-sentence")).to_contain_text("No supervisor reports for node")
    expect(services.locator("#verdict")).to_have_attribute("data-level", "stale")
    expect(cell(services, "backend", "explanation")).to_have_text("last seen running")
    expect(cell(services, "backend", "cpu")).to_have_text("–")
    expect(services.locator("#nodes .silent")).to_contain_text("no supervisor")
    button = row(services, "backend").locator('[data-action="restart"]')
    expect(button).to_have_attribute("aria-disabled", "true")
    expect(button).to_have_attribute("title", re.compile("nobody would do it"))
    assert answering(breakable) == set(pids)
    assert httpx.get(f"{breakable.url}/readyz", timeout=5).status_code == 503

    breakable.start_up()
    for key, pid in pids.items():
        expect_state(services, key, "RUNNING")
        expect(cell(services, key, "pid")).to_have_text(str(pid))
        expect(row(services, key)).to_have_attribute("data-health", "healthy", timeout=PATIENCE_MS)
    assert breakable.pids() == pids
    assert breakable.service(WEB)["pid"] == web
    assert answering(breakable) == set(pids)
    expect(services.locator("#health-sentence")).to_have_text("All 9 services are running.")
    expect(cell(services, "backend", "cpu")).to_have_text(re.compile("%$"))
    assert_not_reloaded(services)
    expect_connections(breakable, ["/monitoring/"])

    # It is in charge, too.
    press(services, "incentive-system", "restart")
    expect(cell(services, "incentive-system", "pid")).not_to_have_text(
        str(pids["incentive-system"]), timeout=PATIENCE_MS
    )
    expect_state(services, "incentive-system", "RUNNING")


def test_a_planned_hand_over_alarms_nobody(services: Page, breakable: RunningMedimgr) -> None:
    pids = breakable.pids()
    breakable.up.kill()
    breakable.start_up("--leave-running")
    nodes = services.locator("#nodes")
    expect(nodes).to_contain_text(f"supervised by process {breakable.up.pid}", timeout=STALE_MS)
    assert breakable.up.stop() == 0
    expect(nodes).to_contain_text("the next supervisor is awaited")
    expect(services.locator("#nodes .silent")).to_have_count(0)
    # For longer than it takes to miss one that has died.
    services.wait_for_timeout(STALE_MS)
    for key in pids:
        expect_state(services, key, "RUNNING")
    expect(services.locator("#health-sentence")).to_have_text("All 9 services are running.")
    assert httpx.get(f"{breakable.url}/readyz", timeout=5).status_code == 200
    breakable.start_up()
    expect(nodes).to_contain_text(f"supervised by process {breakable.up.pid}", timeout=STALE_MS)
    assert breakable.pids() == pids
    assert_not_reloaded(services)


def test_a_killed_web_worker_comes_back_and_the_page_catches_up(
    services: Page, breakable: RunningMedimgr
) -> None:
    web = breakable.service(WEB)["pid"]
    old = breakable.pids()["network-dashboard"]
    assert old is not None
    kill_9(web)
    # Nobody can tell the page about this until the web worker is back.
    kill_9(old)
    expect(services.locator("#link-state")).not_to_have_attribute("data-state", "live")
    expect_link(services, "live")
    expect(cell(services, "network-dashboard", "pid")).not_to_have_text(str(old), timeout=PATIENCE_MS)
    expect_state(services, "network-dashboard", "RUNNING")
    expect(cell(services, WEB, "pid")).not_to_have_text(str(web), timeout=PATIENCE_MS)
    expect_state(services, WEB, "RUNNING")
    assert_not_reloaded(services)
    expect_connections(breakable, ["/monitoring/"])
    expect(services.locator("#connection-count")).to_have_text("1")
