"""What a newcomer sees first: the login, then seven services running, and a sentence that says so."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import ADMIN, PASSWORD, RunningMedimgr, log_in_page
from tests.e2e.watching import account, expect_link, expect_state, open_services, row

DEMO = 7


@pytest.mark.both_databases
def test_an_operator_sees_seven_services_run_in_health(page: Page, running: RunningMedimgr) -> None:
    open_services(page)
    keys = list(running.pids())
    assert len(keys) == DEMO
    for key in keys:
        expect_state(page, key, "RUNNING")
        expect(row(page, key)).to_have_attribute("data-health", "healthy")
        expect(row(page, key).locator('[data-field="cpu"]')).to_have_text(re.compile(r"^[\d.]+ %$"))
        expect(row(page, key).locator('[data-field="memory"]')).to_have_text(re.compile(r"^\d+ MB$"))
    # Nine: the seven, the web worker and the operations worker.
    expect(page.locator("#health-sentence")).to_have_text("All 9 services are running.")
    expect(page.locator("#verdict")).to_have_attribute("data-level", "good")


def test_the_root_leads_a_stranger_through_the_login_to_the_page(
    browser: Browser, running: RunningMedimgr
) -> None:
    context = browser.new_context(base_url=running.url)
    page = context.new_page()
    page.goto("/")
    expect(page).to_have_url(re.compile("/login/"))
    expect(page.locator("body")).not_to_contain_text("MediVote")
    log_in_page(page)
    expect(page).to_have_url(f"{running.url}/monitoring/")
    expect_link(page, "live")
    context.close()


def test_after_the_login_comes_what_was_asked_for(browser: Browser, running: RunningMedimgr) -> None:
    context = browser.new_context(base_url=running.url)
    page = context.new_page()
    page.goto("/operations/?status=failures")
    expect(page).to_have_url(re.compile("/login/"))
    page.get_by_label("User name").fill(ADMIN)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(f"{running.url}/operations/?status=failures")
    context.close()


def test_a_wrong_password_says_so_and_lets_nobody_in(browser: Browser, running: RunningMedimgr) -> None:
    context = browser.new_context(base_url=running.url)
    page = context.new_page()
    log_in_page(page, password="wrong")
    expect(page.get_by_role("alert")).to_contain_text("correct")
    page.goto("/monitoring/")
    expect(page).to_have_url(re.compile("/login/"))
    context.close()


def test_an_account_that_is_not_staff_is_refused_in_words(browser: Browser, running: RunningMedimgr) -> None:
    account(running, "charlie", is_staff=False)
    context = browser.new_context(base_url=running.url)
    page = context.new_page()
    log_in_page(page, "charlie")
    expect(page.locator("h1")).to_have_text("Not allowed")
    expect(page.locator("main")).to_contain_text("staff account")
    expect(page.locator("main")).to_contain_text("monitoring.view_service")
    expect(page.locator("main")).to_contain_text("You are logged in as charlie")
    expect(page.locator("body")).not_to_contain_text("MediVote")
    page.get_by_role("button", name="Log out").click()
    expect(page).to_have_url(re.compile("/login/"))
    context.close()
