"""A service that ignores its stop signal: the page says so, and offers to kill it."""

import sys

from playwright.sync_api import Page, expect

from tests.e2e.conftest import RunningMedimgr
from tests.e2e.watching import (
    cell,
    confirm,
    declared,
    dialog,
    expect_state,
    open_services,
    press,
    row,
)

IGNORES_SIGTERM = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True:
    time.sleep(60)
"""


def test_a_stubborn_service_is_killed_from_the_page(page: Page, running: RunningMedimgr) -> None:
    command = [sys.executable, "-c", IGNORES_SIGTERM]
    with declared(running, "stubborn", command=command, start_seconds=1.0, stop_timeout_seconds=120.0):
        open_services(page)
        expect_state(page, "stubborn", "RUNNING")
        press(page, "stubborn", "stop")
        expect_state(page, "stubborn", "STOPPING")
        expect(cell(page, "stubborn", "progress")).to_contain_text("stopping…")
        kill = row(page, "stubborn").locator('[data-action="kill"]')
        expect(kill).to_have_text("Kill now")
        kill.click()
        expect(dialog(page)).to_contain_text("Kill Stubborn?")
        expect(dialog(page)).to_contain_text("ends the whole process tree at once")
        confirm(page, "it hangs")
        expect_state(page, "stubborn", "STOPPED")
        expect(cell(page, "stubborn", "pid")).to_have_text("–")
        expect(row(page, "stubborn").locator('[data-action="stop"]')).to_have_text("Stop")
        killed = running.client.get("/api/operations?target=service:stubborn").json()["items"][0]
        assert (killed["status"], killed["reason"]) == ("SUCCESS", "it hangs")
