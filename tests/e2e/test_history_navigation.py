"""Back and forward: the page that comes back is live and counted once, kept in memory or loaded anew."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser import launch_options
from tests.e2e.conftest import RunningMedimgr, watch_for_faults
from tests.e2e.watching import (
    expect_another_pid,
    expect_connections,
    expect_link,
    expect_state,
    kill_9,
    new_context,
    open_service,
    open_services,
)

KEY = "frontend"


@pytest.fixture(params=["loads anew", "keeps pages"])
def back_and_forth(
    request: pytest.FixtureRequest, browser: Browser, running: RunningMedimgr, logged_in: dict[str, Any]
) -> Iterator[Page]:
    """A page in a browser with and without the back/forward cache, which Playwright turns off."""
    kept = ["--disable-back-forward-cache"] if request.param == "keeps pages" else []
    own = browser.browser_type.launch(**launch_options(), ignore_default_args=kept)
    context = new_context(own, running, logged_in)
    faults = watch_for_faults(context)
    yield context.new_page()
    own.close()
    assert faults == []


def test_who_goes_back_sees_what_happened_meanwhile(back_and_forth: Page, running: RunningMedimgr) -> None:
    page = back_and_forth
    expect_connections(running, [])
    open_services(page)
    old = running.pids()[KEY]
    assert old is not None
    page.goto("/admin/")
    expect_connections(running, [])
    kill_9(old)
    page.go_back()
    expect_link(page, "live")
    expect_another_pid(page, KEY, old)
    expect_connections(running, ["/monitoring/"])
    open_service(page, KEY)
    expect_connections(running, [f"/monitoring/services/{KEY}/"])
    page.go_back()
    expect_link(page, "live")
    expect_connections(running, ["/monitoring/"])
    page.go_forward()
    expect_link(page, "live")
    expect_connections(running, [f"/monitoring/services/{KEY}/"])
    page.go_back()
    expect_link(page, "live")
    expect_state(page, KEY, "RUNNING")
    expect_connections(running, ["/monitoring/"])
