"""A bulk action is followed live in a card: how far it is, what failed, and what can be done about it."""

import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import RunningMedimgr
from tests.e2e.watching import (
    PATIENCE_MS,
    assert_not_reloaded,
    confirm,
    declared,
    expect_another_pid,
    expect_link,
    expect_state,
    mark,
    open_services,
    row,
)


def cards(page: Page) -> Locator:
    return page.locator("#notices .batch")


def words(card: Locator) -> Locator:
    return card.locator('[data-field="words"]')


def pick(page: Page, *keys: str) -> None:
    for key in keys:
        row(page, key).locator("[data-pick]").check()
    expect(page.locator("#selection-text")).to_have_text(f"{len(keys)} selected")


def act(page: Page, action: str) -> None:
    page.locator(f'[data-batch="{action}"]').click()


def test_a_bulk_action_shows_its_progress_and_leads_to_its_operations(
    page: Page, running: RunningMedimgr
) -> None:
    open_services(page)
    mark(page)
    keys = ("incentive-system", "network-dashboard")
    before = running.pids()
    pick(page, *keys)
    act(page, "restart")
    card = cards(page)
    expect(card.locator('[data-field="title"]')).to_have_text("Restart of 2 services")
    expect(words(card)).to_have_text("2/2", timeout=PATIENCE_MS)
    expect(card).to_have_attribute("data-level", "done")
    expect(card.locator('[data-batch-act="cancel"]')).to_be_hidden()
    expect(card.locator('[data-batch-act="retry"]')).to_be_hidden()
    expect(page.locator("#announcer")).to_have_text(re.compile("Restart of 2 services: 2/2"))
    for key in keys:
        expect_another_pid(page, key, before[key] or 0)
    assert_not_reloaded(page)
    card.get_by_role("link", name="Show its operations").click()
    expect(page.locator("#operation-rows tr")).to_have_count(2)
    expect(page.locator("main > .batch")).to_contain_text("2/2")
    page.locator("#operation-rows tr").first.get_by_role("link").first.click()
    expect(page.locator("[data-batch-progress]")).to_have_text("2/2")


def test_a_card_goes_by_itself_where_all_went_well(page: Page) -> None:
    open_services(page)
    pick(page, "incentive-system", "network-dashboard")
    act(page, "restart")
    expect(words(cards(page))).to_have_text("2/2", timeout=PATIENCE_MS)
    expect(cards(page)).to_have_count(0, timeout=PATIENCE_MS)


def test_what_failed_stays_in_sight_and_is_asked_for_again(
    page: Page, running: RunningMedimgr, tmp_path: Path
) -> None:
    program = tmp_path / "program"
    with declared(running, "broken", command=[str(program)]):
        open_services(page)
        mark(page)
        expect_state(page, "broken", "FATAL")
        pick(page, "broken", "incentive-system")
        act(page, "restart")
        card = cards(page)
        expect(words(card)).to_have_text("2/2, 1 failed", timeout=PATIENCE_MS)
        expect(card).to_have_attribute("data-level", "failed")
        program.write_text("#!/bin/sh\nexec sleep 3600\n", encoding="utf-8")
        program.chmod(0o755)
        card.get_by_role("button", name="Ask again for what failed").click()
        expect(card.locator('[data-field="title"]')).to_have_text("Restart of 1 service")
        expect(words(card)).to_have_text("1/1", timeout=PATIENCE_MS)
        expect_state(page, "broken", "RUNNING")
        assert_not_reloaded(page)


def test_a_roll_is_found_again_after_a_reload_and_cancelled_from_its_page(
    page: Page, running: RunningMedimgr
) -> None:
    with (
        declared(running, "roll-1", group="rolling", start_seconds=30),
        declared(running, "roll-2", group="rolling"),
        declared(running, "roll-3", group="rolling"),
    ):
        open_services(page)
        for key in ("roll-2", "roll-3"):
            expect_state(page, key, "RUNNING")
        pick(page, "roll-1", "roll-2", "roll-3")
        act(page, "rolling-restart")
        confirm_if_asked(page)
        expect(words(cards(page))).to_have_text("0/3", timeout=PATIENCE_MS)
        page.reload()
        expect_link(page, "live")
        expect(words(cards(page))).to_have_text("0/3")
        cards(page).get_by_role("link", name="Show its operations").click()
        expect_link(page, "live")
        expect(page.locator("#operation-rows tr")).to_have_count(3)
        card = page.locator("main > .batch")
        card.get_by_role("button", name="Cancel all").click()
        # The one that has begun goes on until it looks; those that waited for their turn end now.
        expect(words(card)).to_have_text("2/3, 2 cancelled", timeout=PATIENCE_MS)
        expect(page.locator('#operation-rows tr[data-status="CANCELLED"]')).to_have_count(2)


def confirm_if_asked(page: Page) -> None:
    if page.locator("#confirm").is_visible():
        confirm(page)
