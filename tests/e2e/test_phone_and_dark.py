"""On a phone everything fits and can be pressed; in the dark the page is dark."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import RunningMedimgr, watch_for_faults
from tests.e2e.watching import (
    confirm,
    expect_another_pid,
    expect_link,
    new_context,
    open_services,
    press,
    row,
)

WIDTH = 390
PAGES = [
    "/monitoring/",
    "/monitoring/?show=attention",
    "/monitoring/services/backend/",
    "/monitoring/connections/",
    "/workstations/",
    "/operations/",
    "/operations/chores/",
]
_LUMINANCE = """() => {
  const context = document.createElement("canvas").getContext("2d");
  context.fillStyle = getComputedStyle(document.body).backgroundColor;
  context.fillRect(0, 0, 1, 1);
  const [r, g, b] = context.getImageData(0, 0, 1, 1).data;
  return (r + g + b) / 3 / 255;
}"""


@pytest.fixture(scope="module")
def phone(browser: Browser, running: RunningMedimgr, logged_in: dict[str, Any]) -> Iterator[Page]:
    """A page on a phone."""
    size: Any = {"width": WIDTH, "height": 844}
    context = new_context(
        browser, running, logged_in, viewport=size, is_mobile=True, has_touch=True, device_scale_factor=2
    )
    faults = watch_for_faults(context)
    yield context.new_page()
    context.close()
    assert faults == []


def fits(page: Page) -> bool:
    """Return whether the page can't be scrolled sideways."""
    found: bool = page.evaluate(
        "width => document.documentElement.scrollWidth <= width && visualViewport.scale === 1", WIDTH
    )
    return found


def test_nothing_sticks_out_to_the_side(phone: Page) -> None:
    for path in PAGES:
        phone.goto(path)
        expect_link(phone, "live")
        assert fits(phone), path


def test_state_and_actions_are_there_to_be_pressed(phone: Page, running: RunningMedimgr) -> None:
    open_services(phone)
    for key in running.pids():
        state = row(phone, key).locator(".state")
        expect(state).to_be_visible()
        for place in (state, *row(phone, key).locator("[data-action]").all()):
            box = place.bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= WIDTH
        for button in row(phone, key).locator("[data-action]").all():
            box = button.bounding_box()
            assert box is not None
            assert box["height"] >= 24  # WCAG 2.2: the least that a finger can hit
    expect(phone.locator("#link-state")).to_be_visible()
    expect(phone.locator("#health-sentence")).to_be_in_viewport()


def test_a_restart_works_by_touch(phone: Page, running: RunningMedimgr) -> None:
    key = "ballot-microservice"
    open_services(phone)
    old = running.pids()[key]
    press(phone, key, "restart")
    dialog = phone.locator("#confirm").bounding_box()
    assert dialog is not None
    assert dialog["x"] >= 0
    assert dialog["x"] + dialog["width"] <= WIDTH
    confirm(phone)
    expect_another_pid(phone, key, old or 0)
    row(phone, key).locator("[data-pick]").check()
    expect(phone.locator("#selection")).to_be_in_viewport(ratio=1)
    assert fits(phone)


def test_a_long_name_does_not_break_the_row(phone: Page) -> None:
    open_services(phone)
    phone.locator('tr[data-service="backend"] [data-field="name"]').evaluate(
        "node => { node.textContent = 'Averylongnamewithoutanyspace'.repeat(5); }"
    )
    assert fits(phone)


def test_the_page_is_dark_where_the_system_is_and_as_the_person_chooses(page: Page) -> None:
    page.emulate_media(color_scheme="dark")
    open_services(page)
    assert page.evaluate(_LUMINANCE) < 0.2
    page.emulate_media(color_scheme="light")
    assert page.evaluate(_LUMINANCE) > 0.8
    toggle = page.locator("#theme-toggle")
    toggle.click()  # auto → light
    toggle.click()  # light → dark
    expect(toggle).to_have_attribute("aria-label", "Theme: dark")
    assert page.evaluate(_LUMINANCE) < 0.2
    page.reload()
    assert page.evaluate(_LUMINANCE) < 0.2  # remembered
    page.goto("/operations/")
    assert page.evaluate(_LUMINANCE) < 0.2
