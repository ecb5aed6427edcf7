"""Schedules, copies and services that keep failing show on an open page, without a reload."""

import re
import sys

from playwright.sync_api import Page, expect

from tests.e2e.conftest import RunningMedimgr
from tests.e2e.watching import (
    PATIENCE_MS,
    assert_not_reloaded,
    cell,
    declared,
    expect_state,
    mark,
    open_service,
    open_services,
    order,
    row,
)

CRASHES = [sys.executable, "-c", "raise SystemExit(3)"]


def test_a_service_that_keeps_failing_is_said_to(page: Page, running: RunningMedimgr) -> None:
    open_services(page)
    mark(page)
    with declared(running, "crasher", command=CRASHES, backoff_base_seconds=0.1, backoff_cap_seconds=1.0):
        expect(cell(page, "crasher", "explanation")).to_have_text(
            re.compile(r"^keeps failing: \d+ restarts"), timeout=PATIENCE_MS
        )
        expect(page.locator("#health-sentence")).to_have_text(
            re.compile(r"^1 of 10 services needs attention: Crasher keeps failing \(\d+ restarts?\)")
        )
        open_service(page, "crasher")
        expect(page.locator('[data-field="why"]')).to_have_text(re.compile(r"^keeps failing: \d+ restarts"))
    open_services(page)
    expect(page.locator("#health-sentence")).to_have_text("All 9 services are running.")


def test_a_scheduled_service_says_when_it_runs_next_and_is_no_trouble(
    page: Page, running: RunningMedimgr
) -> None:
    open_services(page)
    mark(page)
    chip = page.locator('[data-filter="scheduled"]')
    expect(chip).to_be_hidden()
    with declared(running, "nightly", schedule="30 2 1 1 *", group="jobs", restart_policy="never"):
        expect_state(page, "nightly", "EXITED")
        expect(cell(page, "nightly", "explanation")).to_have_text(
            re.compile(r"^next in \d+ d( \d+ h)?, on 01 Jan at \d\d:30$"), timeout=PATIENCE_MS
        )
        expect(page.locator("#health-sentence")).to_have_text(
            "9 of 10 services are running, 1 waits for its next run."
        )
        expect(chip).to_be_visible()
        chip.click()
        expect(page.locator("tr.service:visible")).to_have_count(1)
        assert_not_reloaded(page)
        open_service(page, "nightly")
        expect(page.locator("#schedule")).to_contain_text("30 2 1 1 * (UTC): next in")
        item = running.service("nightly")
        assert item["schedule"] == "30 2 1 1 *"
        assert item["next_run_at"].endswith("-01-01T02:30:00Z")
    open_services(page)
    expect(chip).to_be_hidden()


def test_copies_stand_behind_their_first_and_are_counted_there(page: Page, running: RunningMedimgr) -> None:
    open_services(page)
    mark(page)
    with declared(running, "many", instances=2) as service:
        expect_state(page, "many-2", "RUNNING")
        expect(cell(page, "many", "copies")).to_have_text("2/2 copies running")
        expect(row(page, "many-2")).to_have_class(re.compile(r"\bcopy\b"))
        with running.instance.database():
            service.instances = 3
            service.save()
        expect_state(page, "many-3", "RUNNING")
        expect(cell(page, "many", "copies")).to_have_text("3/3 copies running")
        place = order(page).index("many")
        assert order(page)[place : place + 3] == ["many", "many-2", "many-3"]
        with running.instance.database():
            service.instances = 1
            service.save()
        expect(row(page, "many-2")).to_have_count(0)
        expect(cell(page, "many", "copies")).to_have_text("")
        assert_not_reloaded(page)
