"""Start, stop and restart from a row: what happens is seen happening, and kept with who asked and how."""

import re

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.conftest import ADMIN, RunningMedimgr
from tests.e2e.watching import (
    PATIENCE_MS,
    assert_not_reloaded,
    cell,
    confirm,
    dialog,
    expect_another_pid,
    expect_link,
    expect_state,
    mark,
    note_states,
    open_services,
    press,
    row,
)

CRITICAL = "ballot-microservice"
HARMLESS = "incentive-system"


@pytest.fixture
def services(page: Page) -> Page:
    """The services page, live."""
    open_services(page)
    return page


def operation_count(running: RunningMedimgr) -> int:
    found: int = running.client.get("/api/operations").raise_for_status().json()["count"]
    return found


def test_a_restart_is_seen_in_the_row_from_beginning_to_end(services: Page, running: RunningMedimgr) -> None:
    old = running.pids()[HARMLESS]
    seen = note_states(services, HARMLESS)
    mark(services)
    press(services, HARMLESS, "restart")
    new = expect_another_pid(services, HARMLESS, old or 0)
    expect(cell(services, HARMLESS, "progress")).to_have_text("restarted", timeout=PATIENCE_MS)
    assert int(new) == running.pids()[HARMLESS]
    noted = seen()
    assert "STARTING" in noted["states"]
    assert set(noted["states"]) <= {"RUNNING", "STOPPING", "WAITING", "STARTING"}
    assert noted["states"][-1] == "RUNNING"
    assert any(text.startswith("restarting…") for text in noted["progress"])
    assert_not_reloaded(services)


def test_a_critical_service_is_not_stopped_without_being_asked_for(
    services: Page, running: RunningMedimgr
) -> None:
    pid = running.pids()[CRITICAL]
    before = operation_count(running)
    press(services, CRITICAL, "stop")
    expect(dialog(services)).to_contain_text("Stop AmarVote ballot microservice?")
    expect(dialog(services)).to_contain_text("Stopping the ballot microservice interrupts the encryption")
    services.locator("#confirm-cancel").click()
    expect(dialog(services)).to_be_hidden()
    press(services, CRITICAL, "restart")
    expect(dialog(services)).to_contain_text("interrupts the encryption")
    services.keyboard.press("Escape")
    expect(dialog(services)).to_be_hidden()
    # What somebody else asks for now is the next operation there is: nothing was sent before it.
    assert running.client.post(f"/api/services/{HARMLESS}/start", json={}).status_code == 202
    assert operation_count(running) == before + 1
    assert running.pids()[CRITICAL] == pid
    expect_state(services, CRITICAL, "RUNNING")


def test_a_stop_and_a_start_are_seen_and_kept_with_who_asked_and_why(
    services: Page, context: BrowserContext, running: RunningMedimgr
) -> None:
    listed = context.new_page()
    listed.goto("/operations/")
    expect_link(listed, "live")
    mark(listed)
    old = running.pids()[CRITICAL]
    assert old is not None
    press(services, CRITICAL, "stop")
    confirm(services, "a new key ceremony")
    expect_state(services, CRITICAL, "STOPPED")
    expect(cell(services, CRITICAL, "pid")).to_have_text("–")
    expect(cell(services, CRITICAL, "cpu")).to_have_text("–")
    expect(services.locator("#health-sentence")).to_have_text("8 of 9 services are running, 1 is stopped.")
    assert running.service(CRITICAL)["intent"] == "down"
    expect(row(services, CRITICAL).locator('[data-action="restart"]')).to_have_attribute(
        "title", "It is stopped: start it instead."
    )

    # The list of operations, open in another tab, has it by itself.
    stopped = listed.locator("tr[data-operation]", has_text="a new key ceremony")
    expect(stopped).to_have_attribute("data-status", "SUCCESS")
    expect(stopped.locator('[data-field="label"]')).to_have_text("Stop")
    expect(stopped.locator('[data-field="target"]')).to_have_text(f"service:{CRITICAL}")
    expect(stopped.locator('[data-field="requested_by"]')).to_have_text(ADMIN)
    expect(stopped.locator('[data-field="message"]')).to_have_text("")
    assert_not_reloaded(listed)
    stopped.locator('[data-field="label"]').click()
    expect(listed.locator("h1")).to_contain_text(CRITICAL)
    expect(listed.locator("main")).to_contain_text(f"{ADMIN} through the page, from 127.0.0.1")

    press(services, CRITICAL, "start")
    expect_another_pid(services, CRITICAL, old)
    expect(row(services, CRITICAL)).to_have_attribute("data-health", "healthy")
    expect(services.locator("#health-sentence")).to_have_text("All 9 services are running.")


def test_what_cannot_be_done_now_says_why_when_pressed(services: Page) -> None:
    button = row(services, HARMLESS).locator('[data-action="start"]')
    expect(button).to_have_attribute("aria-disabled", "true")
    expect(button).to_have_attribute("title", "It is running already.")
    button.click(force=True)  # Playwright would wait until it is enabled
    expect(services.locator(".notice")).to_contain_text("It is running already.")


def test_what_the_server_refuses_is_shown_in_its_words(services: Page) -> None:
    # Somebody else's operation comes first, which the page cannot know when it sends its own.
    refusal = (
        '{"type":"urn:medimgr:problem:target-busy","title":"Busy","status":409,"code":"target-busy",'
        '"detail":"It is being stopped by bob."}'
    )
    services.route(
        re.compile("/restart$"),
        lambda route: route.fulfill(status=409, content_type="application/problem+json", body=refusal),
    )
    press(services, HARMLESS, "restart")
    expect(services.get_by_role("alert")).to_contain_text("Restart: It is being stopped by bob.")
    expect_state(services, HARMLESS, "RUNNING")
    expect(row(services, HARMLESS).locator('[data-action="restart"]')).not_to_have_attribute(
        "aria-disabled", "true"
    )
