"""Copies of a service on the page: scaled, restarted one after the other, and ended at once."""

import re
import sys
from typing import Any

from playwright.sync_api import Page, expect

from monitoring.models import Service
from tests.e2e.conftest import RunningMedimgr
from tests.e2e.watching import (
    PATIENCE_MS,
    assert_not_reloaded,
    confirm,
    declared,
    dialog,
    expect_state,
    mark,
    note_states,
    open_service,
    open_services,
    row,
)

SLEEPS = [sys.executable, "-S", "-E", "-c", "import time; time.sleep(600)"]


def ties(page: Page, state: str = "RUNNING") -> list[str]:
    """Return the copies that the page shows in this state."""
    shown = page.locator(f'#copies-list [data-state="{state}"]')
    return [tie.get_attribute("data-tie") or "" for tie in shown.all()]


def scale_to(page: Page, number: int) -> None:
    page.get_by_label("How many").fill(str(number))
    page.get_by_role("button", name="Scale", exact=True).click()


def pids(running: RunningMedimgr, *keys: str) -> list[int | None]:
    found = running.pids()
    return [found.get(key) for key in keys]


def test_a_service_is_scaled_on_its_page(page: Page, running: RunningMedimgr) -> None:
    with declared(running, "herd", command=SLEEPS, warning="The herd is counted."):
        open_service(page, "herd")
        mark(page)
        scale_to(page, 3)
        running_ties = page.locator('#copies-list [data-state="RUNNING"]')
        expect(running_ties).to_have_count(3, timeout=PATIENCE_MS)
        assert ties(page) == ["herd", "herd-2", "herd-3"]
        before = pids(running, "herd", "herd-2")
        scale_to(page, 2)
        expect(dialog(page)).to_contain_text("Scale Herd down to 2?")
        expect(page.locator("#confirm-targets li")).to_have_text([re.compile("herd-3.*The herd is counted")])
        confirm(page)
        expect(running_ties).to_have_count(2)
        running.instance.wait_for(lambda: "herd-3" not in running.pids(), 10, "the third is gone")
        assert pids(running, "herd", "herd-2") == before
        assert_not_reloaded(page)
        # Somebody else scales it: this page follows.
        with running.instance.database():
            herd = Service.objects.get(key="herd")
            herd.instances = 4
            herd.save()
        expect(running_ties).to_have_count(4, timeout=PATIENCE_MS)
        expect(page.get_by_label("How many")).to_have_value("4")


def test_a_number_that_cannot_be_is_told(page: Page, running: RunningMedimgr) -> None:
    with declared(running, "flock", command=SLEEPS), declared(running, "flock-2", command=SLEEPS):
        open_service(page, "flock")
        scale_to(page, 2)
        expect(
            page.get_by_text("flock-2, which a copy would be called, is a service of its own")
        ).to_be_visible()
        assert_one_copy(page)


def assert_one_copy(page: Page) -> None:
    expect(page.locator("#copies-list a")).to_have_count(1)
    expect(page.locator("#copies-roll")).to_have_attribute("aria-disabled", "true")


def test_copies_are_restarted_one_after_the_other_from_their_page(
    page: Page, running: RunningMedimgr
) -> None:
    with declared(running, "flight", command=SLEEPS, instances=3, start_seconds=0.8):
        open_service(page, "flight-2")
        ready = page.locator('#copies-list [data-state="RUNNING"]')
        expect(ready).to_have_count(3, timeout=PATIENCE_MS)
        keys = ("flight", "flight-2", "flight-3")
        before = pids(running, *keys)
        page.get_by_role("button", name="Rolling restart").click()
        progress = page.locator('.one-act [data-field="progress"]')
        expect(progress).to_have_text("waiting for its turn: Flight is being restarted")
        running.instance.wait_for(
            lambda: (
                running.states().get("flight-3") == "RUNNING" and not set(before) & set(pids(running, *keys))
            ),
            20,
            "all three are restarted",
        )

        def operations() -> list[dict[str, Any]]:
            items: list[dict[str, Any]] = running.client.get("/api/operations?limit=3").json()["items"]
            return items

        # A service is seen to run a moment before the operation on it is seen to have ended.
        running.instance.wait_for(
            lambda: [one["status"] for one in operations()] == ["SUCCESS"] * 3,
            5,
            "all three operations have ended",
        )
        started = [one["finished_at"] for one in sorted(operations(), key=lambda one: int(one["id"]))]
        assert started == sorted(started)


def test_a_group_is_restarted_one_after_the_other_from_its_heading(
    page: Page, running: RunningMedimgr
) -> None:
    fields = {"command": SLEEPS, "group": "Ducks", "start_seconds": 0.6}
    with declared(running, "duck-a", **fields), declared(running, "duck-b", **fields):
        open_services(page)
        expect_state(page, "duck-a", "RUNNING")
        expect_state(page, "duck-b", "RUNNING")
        seen = note_states(page, "duck-b")
        before = pids(running, "duck-a", "duck-b")
        page.get_by_role("button", name="Rolling restart: Ducks").click()
        expect(dialog(page)).to_contain_text("Rolling restart all 2 services?")
        confirm(page)
        running.instance.wait_for(
            lambda: not set(before) & set(pids(running, "duck-a", "duck-b")), 20, "both are restarted"
        )
        expect_state(page, "duck-b", "RUNNING")
        assert "waiting for its turn: Duck-A is being restarted" in seen()["progress"]


def test_a_selection_that_is_stopping_is_not_killed_by_a_second_stop_of_many(
    page: Page, running: RunningMedimgr
) -> None:
    ignores = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    with declared(
        running,
        "mule",
        command=[sys.executable, "-c", ignores],
        start_seconds=1.0,
        stop_timeout_seconds=120.0,
    ):
        open_services(page)
        expect_state(page, "mule", "RUNNING")
        row(page, "mule").locator("[data-pick]").check()
        stop = page.locator('[data-batch="stop"]')
        stop.click()
        expect_state(page, "mule", "STOPPING")
        stop.click()
        expect(
            page.get_by_text("It is stopping already. Kill now, in its row, ends it at once.")
        ).to_be_visible()
        row(page, "mule").get_by_role("button", name="Kill now").click()
        confirm(page, "enough")
        expect_state(page, "mule", "STOPPED")
        killed, first = running.client.get("/api/operations?target=service:mule").json()["items"][:2]
        assert (killed["status"], killed["reason"]) == ("SUCCESS", "enough")
        assert first["error"]["code"] == "superseded"
