"""A service that somebody kills is seen coming back by itself, and its page tells why."""

import re
import sys

from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.conftest import RunningMedimgr
from tests.e2e.watching import (
    assert_not_reloaded,
    cell,
    declared,
    expect_another_pid,
    expect_state,
    kill_9,
    mark,
    note_states,
    open_service,
    open_services,
    row,
)

KEY = "network-dashboard"


def test_a_killed_service_is_back_with_a_new_pid_one_more_restart_and_a_reason(
    page: Page, context: BrowserContext, running: RunningMedimgr
) -> None:
    open_services(page)
    mark(page)
    its_page = context.new_page()
    open_service(its_page, KEY)
    mark(its_page)
    restarts = running.service(KEY)["restarts"]
    old = running.pids()[KEY]
    assert old is not None
    seen = note_states(page, KEY)
    kill_9(old)
    new = expect_another_pid(page, KEY, old)
    expect(cell(page, KEY, "restarts")).to_have_text(str(restarts + 1))
    expect(row(page, KEY)).to_have_attribute("data-health", "healthy")
    assert {"BACKOFF", "WAITING", "STARTING"} & set(seen()["states"])
    assert_not_reloaded(page)

    history = its_page.locator("#history")
    expect(history.locator("li").first).to_have_attribute("data-state", "RUNNING")
    expect(history).to_contain_text("killed by SIGKILL")
    expect(its_page.locator('.figures [data-field="pid"]')).to_have_text(new)
    assert_not_reloaded(its_page)
    its_page.reload()
    # The run that was killed has its end, and the new one has none.
    runs = its_page.locator(".runs tbody tr")
    expect(runs.nth(0)).to_contain_text(new)
    expect(runs.nth(0)).to_contain_text("running")
    expect(runs.nth(1)).to_contain_text(str(old))
    expect(runs.nth(1)).to_contain_text("SIGKILL")


def test_a_service_that_crashes_again_and_again_says_why(page: Page, running: RunningMedimgr) -> None:
    command = [sys.executable, "-c", "raise SystemExit(3)"]
    with declared(running, "crasher", command=command, start_seconds=30.0, backoff_base_seconds=20.0):
        open_services(page)
        expect_state(page, "crasher", "BACKOFF")
        expect(cell(page, "crasher", "explanation")).to_have_text("exited with code 3")
        expect(page.locator("#health-sentence")).to_contain_text(
            "Crasher ended unexpectedly and is tried again"
        )
        expect(page.locator("#verdict")).to_have_attribute("data-level", "attention")
        expect(page).to_have_title(re.compile(r"^\(1\) "))
        expect(page.locator('[data-count="attention"]')).to_have_text("1")
        page.locator('[data-filter="attention"]').click()
        expect(page.locator("tr.service:visible")).to_have_count(1)
        cell(page, "crasher", "name").click()
        expect(page.locator('[data-field="why"]')).to_contain_text("exited with code 3")
        expect(page.locator("#history")).to_contain_text("exited with code 3")


def test_a_program_that_does_not_exist_is_named(page: Page, running: RunningMedimgr) -> None:
    with declared(running, "typo", command=["/no/such/program"]):
        open_services(page)
        expect_state(page, "typo", "FATAL")
        expect(cell(page, "typo", "explanation")).to_contain_text("/no/such/program")
        expect(page.locator("#health-sentence")).to_contain_text("Typo could not be started")
