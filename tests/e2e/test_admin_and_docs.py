"""Admin and API documentation in a real browser, under our Content-Security-Policy.

The ``page`` fixture fails a test whose page threw an exception or broke the policy.
"""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import RunningMedimgr


@pytest.fixture
def foreign(page: Page, running: RunningMedimgr) -> Iterator[list[str]]:
    """Collect what the page asks of other servers; there must be nothing."""
    asked: list[str] = []
    page.on(
        "request", lambda request: None if request.url.startswith(running.url) else asked.append(request.url)
    )
    yield asked
    assert [url for url in asked if not url.startswith("data:")] == []


def test_the_docs_show_and_try_the_api(page: Page, foreign: list[str]) -> None:
    page.goto("/api/docs")
    version = page.locator("#operations-status-medimgr_api_version")
    version.locator(".opblock-summary").click()
    version.get_by_role("button", name="Try it out").click()
    version.get_by_role("button", name="Execute").click()
    expect(version.locator(".live-responses-table .response-col_status").last).to_contain_text("200")


def test_the_docs_can_act_since_they_send_the_token(page: Page, foreign: list[str]) -> None:
    page.goto("/api/docs")
    start = page.locator("#operations-services-monitoring_api_start")
    start.locator(".opblock-summary").click()
    start.get_by_role("button", name="Try it out").click()
    start.get_by_placeholder("key", exact=True).fill("no-such-service")
    start.get_by_role("button", name="Execute").click()
    # Not 403: the token was accepted, and the question reached the service.
    expect(start.locator(".live-responses-table .response-col_status").last).to_contain_text("404")


def test_the_admin_s_scripts_work(page: Page, running: RunningMedimgr, foreign: list[str]) -> None:
    key = next(iter(running.pids()))
    page.goto(f"/admin/monitoring/service/?q={key}")
    page.get_by_role("link", name=key, exact=True).click()
    page.get_by_role("button", name="Add another dependency").click()
    expect(page.locator("#dependencies-group tr.dynamic-dependencies").last).to_be_visible()
    page.goto("/admin/auth/user/")
    page.locator("#result_list tbody a").first.click()
    expect(page.locator("#id_user_permissions_to")).to_be_visible()  # the two boxes that a script makes


def test_the_admin_and_the_pages_lead_to_each_other(page: Page, running: RunningMedimgr) -> None:
    page.goto("/admin/")
    page.get_by_role("link", name="Services, live").click()
    expect(page).to_have_url(f"{running.url}/monitoring/")
    page.get_by_role("link", name="Admin").click()
    expect(page).to_have_url(f"{running.url}/admin/")
