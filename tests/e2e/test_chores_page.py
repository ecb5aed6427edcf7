"""The page of chores: how each went, having one done now, deleting finished operations."""

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from operations.models import ChoreRun, Operation
from operations.purge_operation import KIND
from operations.states import Status
from tests.e2e.conftest import RunningMedimgr
from tests.e2e.watching import PATIENCE_MS, expect_link
from tests.operations.rows import made
from tests.running import wait_for

CHORE = "monitoring.history"
"""Once an hour, so that none comes in between."""


@pytest.fixture
def chores(page: Page) -> Page:
    """The page, live."""
    page.goto("/operations/")
    page.get_by_role("link", name="chores", exact=True).click()
    expect_link(page, "live")
    return page


def test_a_chore_is_done_when_somebody_asks_for_it(chores: Page, running: RunningMedimgr) -> None:
    row = chores.locator(f'[data-chore="{CHORE}"]')
    expect(row.locator('[data-field="standing"]')).to_have_text("Done", timeout=PATIENCE_MS)
    expect(row.locator('[data-field="next"]')).to_have_text(re.compile(r"in \d+ min|in 1 h"))
    with running.instance.database():
        before = ChoreRun.objects.get(name=CHORE).finished_at
        row.get_by_role("button", name=f"Run {CHORE} now").click()
        wait_for(lambda: ChoreRun.objects.get(name=CHORE).finished_at != before, 20, "it is done again")
    expect(row.locator('[data-field="last"]')).to_have_text(re.compile(r"^\d s ago$"), timeout=PATIENCE_MS)
    expect(row.locator('[data-field="took"]')).to_have_text(re.compile(r"^[\d.]+ m?s$"))


def test_what_is_wrong_comes_and_goes_without_loading_the_page(chores: Page, running: RunningMedimgr) -> None:
    notes = chores.locator("#chores-attention .note")
    row = chores.locator(f'[data-chore="{CHORE}"]')
    expect(row.locator('[data-field="standing"]')).to_have_text("Done", timeout=PATIENCE_MS)
    with running.instance.database():
        ChoreRun.objects.filter(name=CHORE).update(error="OSError; look at the log.", failures=4)
        expect(notes).to_have_text(
            f"The chore {CHORE} has failed 4 times in a row: OSError; look at the log."
        )
        expect(row.locator('[data-field="standing"]')).to_have_text("Failed, 4 times in a row")
        expect(row.locator('[data-field="outcome"]')).to_have_text("OSError; look at the log.")
        ChoreRun.objects.filter(name=CHORE).update(error="", failures=0)
    expect(notes).to_have_count(0, timeout=PATIENCE_MS)


def test_finished_operations_are_deleted_from_here(chores: Page, running: RunningMedimgr) -> None:
    form = chores.locator("#clean-up")
    told = chores.locator("#clean-up-told")
    form.get_by_label("Keep what ended within").fill("-1")
    form.get_by_role("button", name="Delete the others").click()
    expect(told).to_contain_text("'-1' is no age: write a number of hours from 0 to")
    with running.instance.database():
        old = made("backend", ago=timedelta(hours=30))
        form.get_by_label("Keep what ended within").fill("24")
        form.get_by_role("button", name="Delete the others").click()
        expect(told).to_contain_text("They are deleted by operation")
        wait_for(lambda: not Operation.objects.filter(pk=old.pk).exists(), 20, "it is deleted")
        asked = Operation.objects.filter(kind=KIND, source="page").latest("id")
        wait_for(
            lambda: Operation.objects.get(pk=asked.pk).status == Status.SUCCESS, 20, "the deletion has ended"
        )
    told.get_by_role("link").click()
    expect(chores).to_have_url(re.compile(rf"/operations/{asked.pk}/$"))
    expect(chores.get_by_role("heading", level=1)).to_contain_text("Delete finished operations")
