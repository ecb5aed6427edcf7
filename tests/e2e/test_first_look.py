"""What a newcomer sees first: the login, then seven services running."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import ADMIN, PASSWORD, RunningMedimgr

DEMO = 7


@pytest.mark.both_databases
def test_the_page_shows_all_demo_services_running(page: Page, running: RunningMedimgr) -> None:
    page.goto("/monitoring/")
    rows = page.locator("tr[data-service][data-state=RUNNING]")
    for key in running.pids():
        expect(page.locator(f"tr[data-service={key}]")).to_have_attribute("data-state", "RUNNING")
    assert len(running.pids()) == DEMO
    assert rows.count() >= DEMO
    expect(page.locator("#link-state")).to_have_attribute("data-state", "live")


def test_the_root_leads_through_the_login_to_the_page(browser: Browser, running: RunningMedimgr) -> None:
    context = browser.new_context(base_url=running.url)
    page = context.new_page()
    page.goto("/")
    expect(page).to_have_url(re.compile("/login/"))
    page.get_by_label("User name").fill(ADMIN)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(f"{running.url}/monitoring/")
    expect(page.locator("#health-sentence")).not_to_be_empty()
    context.close()


def test_a_wrong_password_says_so_and_lets_nobody_in(browser: Browser, running: RunningMedimgr) -> None:
    context = browser.new_context(base_url=running.url)
    page = context.new_page()
    page.goto("/login/")
    page.get_by_label("User name").fill(ADMIN)
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.goto("/monitoring/")
    expect(page).to_have_url(re.compile("/login/"))
    context.close()
