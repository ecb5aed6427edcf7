"""Everything can be done without a mouse, and one always sees where one is."""

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import RunningMedimgr
from tests.e2e.watching import dialog, expect_another_pid, expect_state, open_services, row

CRITICAL = "ballot-microservice"
HARMLESS = "incentive-system"


@pytest.fixture
def services(page: Page) -> Page:
    """The services page, live."""
    open_services(page)
    return page


def tab_to(page: Page, selector: str, most: int = 120) -> None:
    """Press Tab until the element has the focus."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"Tab has not come to {selector} in {most} steps.")


def focused(page: Page, selector: str) -> bool:
    found: bool = page.evaluate("selector => document.activeElement.matches(selector)", selector)
    return found


def test_tab_reaches_the_actions_and_enter_acts(services: Page, running: RunningMedimgr) -> None:
    old = running.pids()[HARMLESS]
    tab_to(services, f'tr[data-service="{HARMLESS}"] [data-action="restart"]')
    outline = services.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    services.keyboard.press("Enter")
    expect_another_pid(services, HARMLESS, old or 0)
    # What the row shows meanwhile has not taken the focus away.
    assert focused(services, f'tr[data-service="{HARMLESS}"] [data-action="restart"]')


def test_escape_closes_the_dialog_and_the_focus_returns(services: Page) -> None:
    tab_to(services, f'tr[data-service="{CRITICAL}"] [data-action="stop"]')
    services.keyboard.press("Enter")
    expect(dialog(services)).to_be_visible()
    assert focused(services, "#confirm-cancel")  # Enter pressed twice by mistake stops nothing
    services.keyboard.press("Escape")
    expect(dialog(services)).to_be_hidden()
    assert focused(services, f'tr[data-service="{CRITICAL}"] [data-action="stop"]')
    expect_state(services, CRITICAL, "RUNNING")


def test_a_restart_is_confirmed_with_a_reason_by_keys_alone(services: Page, running: RunningMedimgr) -> None:
    old = running.pids()[CRITICAL]
    row(services, CRITICAL).locator('[data-action="restart"]').focus()
    services.keyboard.press("Enter")
    expect(dialog(services)).to_be_visible()
    services.keyboard.press("Shift+Tab")
    assert focused(services, "#confirm-reason")
    services.keyboard.type("by hand")
    services.keyboard.press("Enter")
    expect(dialog(services)).to_be_hidden()
    expect_another_pid(services, CRITICAL, old or 0)
    assert running.client.get("/api/operations?limit=1").json()["items"][0]["reason"] == "by hand"


def test_the_dialog_keeps_the_focus_inside(services: Page) -> None:
    row(services, CRITICAL).locator('[data-action="stop"]').click()
    expect(dialog(services)).to_be_visible()
    for _ in range(6):
        services.keyboard.press("Tab")
        assert services.evaluate(
            "document.activeElement === document.body || document.activeElement.closest('dialog') !== null"
        )
    services.keyboard.press("Escape")


def test_a_slash_leads_to_the_search_and_escape_clears_it(services: Page) -> None:
    services.keyboard.press("/")
    assert focused(services, "#search")
    services.keyboard.type("ballot/")
    expect(services.locator("#search")).to_have_value("ballot/")  # in the box a slash is a slash
    expect(services.locator("#nothing-shown")).to_be_visible()
    services.keyboard.press("Backspace")
    expect(services.locator("tr.service:visible")).to_have_count(1)
    services.keyboard.press("Escape")
    expect(services.locator("tr.service:visible")).to_have_count(9)


def test_the_first_tab_offers_to_skip_to_the_content(services: Page) -> None:
    services.keyboard.press("Tab")
    assert focused(services, ".skip-link")
    expect(services.locator(".skip-link")).to_be_in_viewport()
    services.keyboard.press("Enter")
    assert focused(services, "#main")


def test_a_column_is_sorted_by_keys(services: Page) -> None:
    tab_to(services, '[data-sort="name"]')
    services.keyboard.press("Enter")
    expect(services.locator('th[data-column="name"]')).to_have_attribute("aria-sort", "ascending")
    assert focused(services, '[data-sort="name"]')
