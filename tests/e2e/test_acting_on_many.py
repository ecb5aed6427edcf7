"""One press for many services: on a selection, and on all."""

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import RunningMedimgr
from tests.e2e.watching import (
    assert_not_reloaded,
    confirm,
    dialog,
    expect_another_pid,
    expect_link,
    expect_state,
    mark,
    open_services,
    row,
)


@pytest.fixture
def services(page: Page) -> Page:
    """The services page, live."""
    open_services(page)
    mark(page)
    return page


def pick(page: Page, *keys: str) -> None:
    for key in keys:
        row(page, key).locator("[data-pick]").check()
    expect(page.locator("#selection-text")).to_have_text(f"{len(keys)} selected")


def test_a_selection_is_restarted_together_and_the_others_are_left_alone(
    services: Page, running: RunningMedimgr
) -> None:
    chosen = ("incentive-system", "network-dashboard")
    before = running.pids()
    pick(services, *chosen)
    services.locator('[data-batch="restart"]').click()
    for key in chosen:
        expect_another_pid(services, key, before[key] or 0)
    after = running.pids()
    assert {key for key in before if after[key] != before[key]} == set(chosen)
    operations = running.client.get("/api/operations?limit=2").json()["items"]
    assert {operation["target"] for operation in operations} == {f"service:{key}" for key in chosen}
    assert len({operation["batch"] for operation in operations}) == 1
    expect(services.locator("#selection-text")).to_have_text("2 selected")
    services.locator("#selection-clear").click()
    expect(services.locator("#selection")).to_be_hidden()


def test_a_selection_with_a_critical_one_is_confirmed_by_name(
    services: Page, running: RunningMedimgr
) -> None:
    chosen = ("incentive-system", "ballot-microservice")
    before = running.pids()
    pick(services, *chosen)
    services.locator('[data-batch="stop"]').click()
    targets = services.locator("#confirm-targets li")
    expect(targets).to_have_count(2)
    expect(targets.filter(has_text="ballot-microservice")).to_contain_text("interrupts the encryption")
    confirm(services)
    for key in chosen:
        expect_state(services, key, "STOPPED")
    services.locator('[data-batch="start"]').click()
    for key in chosen:
        expect_another_pid(services, key, before[key] or 0)


def test_all_are_stopped_and_started_but_not_medimgr_itself(services: Page, running: RunningMedimgr) -> None:
    before = running.pids()
    services.locator('[data-all="stop"]').click()
    expect(dialog(services)).to_contain_text("Stop all 7 services?")
    expect(services.locator("#confirm-targets li")).to_have_count(7)
    confirm(services)
    for key in before:
        expect_state(services, key, "STOPPED")
    expect(services.locator("#health-sentence")).to_have_text("2 of 9 services are running, 7 are stopped.")
    expect_link(services, "live")
    services.locator('[data-all="start"]').click()
    for key, pid in before.items():
        expect_another_pid(services, key, pid or 0)
    expect(services.locator("#health-sentence")).to_have_text("All 9 services are running.")
    assert_not_reloaded(services)


def test_a_range_is_selected_with_shift_and_all_that_are_shown_at_once(services: Page) -> None:
    keys = ["blockchain-node", "incentive-system", "backend"]
    row(services, keys[0]).locator("[data-pick]").click()
    row(services, keys[2]).locator("[data-pick]").click(modifiers=["Shift"])
    expect(services.locator("#selection-text")).to_have_text("3 selected")
    for key in keys:
        expect(row(services, key).locator("[data-pick]")).to_be_checked()
    services.locator("#pick-all").click()
    expect(services.locator("#selection-text")).to_have_text("9 selected")
    services.locator("#pick-all").click()
    expect(services.locator("#selection")).to_be_hidden()
