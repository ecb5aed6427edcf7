"""Acting on emulators from the pages: page, operation, worker, WinRM, simulated LDPlayer, and back."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from pytest_django import DjangoDbBlocker

from tests.e2e.conftest import RunningMedimgr, cookies_of, watch_for_faults
from tests.e2e.fleet import PATIENCE_MS, declare, medimgr_for_workstations
from tests.e2e.watching import expect_link
from tests.workstations.peer import Instance, Machine, Peer
from workstations.models import Workstation

APK = r"C:\apps\shop.apk"


@dataclass
class Fleet:
    """Two simulated workstations, declared and read."""

    running: RunningMedimgr
    cookies: Any
    machines: list[Machine]
    rows: list[Workstation]


@pytest.fixture(scope="module")
def fleet(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker
) -> Iterator[Fleet]:
    """Start a medimgr whose two workstations are simulated in this process."""
    with (
        django_db_blocker.unblock(),
        Peer() as peer,
        medimgr_for_workstations(tmp_path_factory.mktemp("fleet")) as (running, key),
    ):
        machines = [
            peer.machine(name, instances=[Instance(f"{name} {number}") for number in (1, 2, 3)], boot_polls=1)
            for name in ("north", "south")
        ]
        rows = [declare(running, key, machine, tags=[machine.name]) for machine in machines]
        yield Fleet(running, cookies_of(browser, running), machines, rows)


@pytest.fixture
def page(browser: Browser, fleet: Fleet) -> Iterator[Page]:
    """Return a page that is logged in to it."""
    context = browser.new_context(
        base_url=fleet.running.url, storage_state=fleet.cookies, viewport={"width": 1280, "height": 900}
    )
    faults = watch_for_faults(context)
    yield context.new_page()
    context.close()
    assert faults == []


def open_list(page: Page, query: str = "") -> None:
    page.goto(f"/workstations/{query}")
    expect_link(page, "live")


def open_one(page: Page, row: Workstation) -> None:
    page.goto(f"/workstations/{row.pk}/")
    expect_link(page, "live")


def host(page: Page, name: str) -> Locator:
    return page.locator(".host").filter(has=page.locator("h2", has_text=name))


def tile(page: Page, title: str) -> Locator:
    return page.locator(".tile").filter(has_text=title)


def emulator_row(page: Page, title: str) -> Locator:
    named = page.locator('[data-field="title"]', has_text=re.compile(f"^{title}$"))
    return page.locator("tr.emulator").filter(has=named)


def choose(row: Locator, name: str) -> None:
    row.locator("summary").click()
    row.get_by_role("button", name=name).click()


def scan(page: Page, name: str) -> None:
    open_list(page)
    host(page, name).get_by_role("button", name="Scan").click()
    expect(host(page, name).locator(".tile")).not_to_have_count(0, timeout=PATIENCE_MS)


def test_a_scan_and_a_start_go_all_the_way_and_back(page: Page, fleet: Fleet) -> None:
    machine = fleet.machines[0]
    open_list(page)
    expect(host(page, "north")).to_contain_text("Its emulators have not been read yet.")
    scan(page, "north")
    expect(host(page, "north").locator(".tile")).to_have_count(3)
    expect(host(page, "north")).to_have_attribute("data-reach", "online")
    one = tile(page, "north 1")
    expect(one).to_have_attribute("data-state", "stopped")
    one.get_by_role("button", name="Start").click()
    expect(one.locator(".progress")).to_have_text(re.compile("asking|starting"))
    expect(one).to_have_attribute("data-state", "running", timeout=PATIENCE_MS)
    assert machine.instance("north 1").vbox_pid > 0
    expect(one.get_by_role("button", name="Stop")).to_be_enabled()
    expect(host(page, "north")).to_contain_text("1/3 running")
    expect(page.locator("#health-sentence")).to_contain_text("1 of 3 emulators runs")
    expect(page.locator('[data-state-count="running"]')).to_have_text("1")


def test_many_are_started_and_stopped_at_once_and_a_card_counts_them(page: Page, fleet: Fleet) -> None:
    machine = fleet.machines[1]
    scan(page, "south")
    open_list(page, "?tag=south")
    page.get_by_label("Select all shown").check()
    expect(page.locator("#selection-text")).to_have_text("3 emulators on 1 workstation")
    page.locator("#selection").get_by_role("button", name="Start").click()
    card = page.locator(".batch")
    expect(card).to_contain_text("Start 3 emulators")
    expect(card.locator('[data-field="words"]')).to_have_text("3/3", timeout=2 * PATIENCE_MS)
    expect(host(page, "south")).to_contain_text("3/3 running")
    assert all(one.vbox_pid > 0 for one in machine.instances())
    page.locator("#selection").get_by_role("button", name="Stop").click()
    dialog = page.locator("#confirm")
    expect(dialog).to_contain_text("Stop 3 emulators?")
    expect(dialog.locator("li")).to_have_count(3)
    dialog.get_by_role("button", name="Stop 3 emulators").click()
    expect(page.locator(".batch").last.locator('[data-field="words"]')).to_have_text(
        "3/3", timeout=2 * PATIENCE_MS
    )
    expect(host(page, "south")).to_contain_text("0/3 running")
    assert not any(one.active for one in machine.instances())


def test_what_is_starting_can_be_stopped(page: Page, fleet: Fleet) -> None:
    machine = fleet.machines[0]
    scan(page, "north")
    machine.set(boot_polls=1000)
    try:
        one = tile(page, "north 3")
        one.get_by_role("button", name="Start").click()
        expect(one).to_have_attribute("data-state", "starting", timeout=PATIENCE_MS)
        one.get_by_role("button", name="Stop").click()
        expect(one).to_have_attribute("data-state", "stopped", timeout=PATIENCE_MS)
        expect(one.get_by_role("button", name="Start")).not_to_have_attribute("aria-disabled", "true")
    finally:
        machine.set(boot_polls=1)
    assert not machine.instance("north 3").active


def test_a_title_that_ldconsole_cannot_take_is_said_beside_its_field(page: Page, fleet: Fleet) -> None:
    scan(page, "south")
    open_one(page, fleet.rows[1])
    choose(emulator_row(page, "south 3"), "Rename")
    dialog = page.locator("#form-rename")
    field = dialog.get_by_label("New title")
    expect(field).to_have_value("south 3")
    field.fill("one, two")
    field.press("Enter")
    expect(dialog.locator('[data-fault="title"]')).to_contain_text("comma")
    expect(field).to_have_attribute("aria-invalid", "true")
    field.fill("renamed")
    field.press("Enter")
    expect(dialog).to_be_hidden()
    expect(emulator_row(page, "renamed")).to_be_visible(timeout=PATIENCE_MS)
    assert fleet.machines[1].instance("renamed").index == 2
    expect(page.locator("#its-operations tbody tr").first).to_have_attribute("data-status", "SUCCESS")
    expect(page.locator("#history-panel")).to_contain_text("south 3 → renamed")


def test_an_emulator_is_created_changed_and_deleted(page: Page, fleet: Fleet) -> None:
    machine = fleet.machines[1]
    scan(page, "south")
    open_one(page, fleet.rows[1])
    page.get_by_role("button", name="New emulator").click()
    dialog = page.locator("#form-create")
    dialog.get_by_label("Title").fill("fresh")
    dialog.get_by_role("button", name="Create").click()
    row = emulator_row(page, "fresh")
    expect(row).to_be_visible(timeout=PATIENCE_MS)
    expect(row.locator('[data-action="start"]')).to_be_enabled()
    expect(page.locator("#its-operations tbody tr").first).to_have_attribute(
        "data-status", "SUCCESS", timeout=PATIENCE_MS
    )
    choose(row, "Change hardware")
    dialog = page.locator("#form-modify")
    dialog.get_by_label("Processors").select_option("4")
    dialog.get_by_label("Memory").select_option("4096")
    dialog.get_by_role("button", name="Change").click()
    expect(row.locator('[data-field="cpu"]')).to_have_text("4", timeout=PATIENCE_MS)
    expect(row.locator('[data-field="memory"]')).to_have_text("4096 MB")
    assert machine.instance("fresh").cpu == 4
    expect(row.locator(".progress")).not_to_contain_text("changing", timeout=PATIENCE_MS)
    choose(row, "Delete")
    dialog = page.locator("#form-delete")
    dialog.get_by_role("button", name="Delete").click()
    expect(dialog).to_contain_text("That is not its title.")
    dialog.get_by_label("Type its title").fill("fresh")
    dialog.get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0, timeout=PATIENCE_MS)
    assert "fresh" not in [one.title for one in machine.instances()]


def test_an_emulator_is_cloned_and_the_copy_gets_an_app(page: Page, fleet: Fleet) -> None:
    machine = fleet.machines[1]
    machine.set(copy_seconds=1.0)
    with machine.change() as state:
        state.files[APK] = "com.example.shop"
    scan(page, "south")
    open_one(page, fleet.rows[1])
    choose(emulator_row(page, "south 1"), "Clone")
    dialog = page.locator("#form-clone")
    dialog.get_by_label("Title of the copy").fill("south copy")
    dialog.get_by_role("button", name="Clone").click()
    newest = page.locator("#its-operations tbody tr").first
    expect(newest).to_contain_text("Clone")
    expect(newest).to_have_attribute("data-status", "SUCCESS", timeout=PATIENCE_MS)
    copy = emulator_row(page, "south copy")
    copy.locator('[data-action="start"]').click()
    expect(copy).to_have_attribute("data-state", "running", timeout=PATIENCE_MS)
    choose(copy, "Install app")
    dialog = page.locator("#form-install-app")
    dialog.get_by_label("File on the workstation").fill(APK)
    dialog.get_by_role("button", name="Install").click()
    expect(newest).to_contain_text("Install")
    expect(newest).to_have_attribute("data-status", "SUCCESS", timeout=PATIENCE_MS)
    assert machine.instance("south copy").apps == ["com.example.shop"]


def test_a_check_and_a_look_at_the_system_appear_on_the_open_page(page: Page, fleet: Fleet) -> None:
    open_one(page, fleet.rows[0])
    expect(page.locator("#host-check")).to_contain_text("It has not been checked yet.")
    page.get_by_role("button", name="Check host").click()
    expect(page.locator("#host-check .findings li").first).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator("#host-check")).to_contain_text("Authentication")
    page.get_by_role("button", name="Read system").click()
    expect(page.locator("#system")).to_contain_text("Processor", timeout=PATIENCE_MS)
    expect(page.locator("#figures")).to_contain_text("GB")


def test_what_fails_says_why_on_the_page(page: Page, fleet: Fleet) -> None:
    machine = fleet.machines[0]
    scan(page, "north")
    open_one(page, fleet.rows[0])
    row = emulator_row(page, "north 2")
    with machine.change() as state:  # as somebody at the machine would, since it was read
        next(one for one in state.instances if one.title == "north 2").title = "another"
    row.locator('[data-action="start"]').click()
    failed = page.locator("#its-operations tbody tr").first
    expect(failed).to_have_attribute("data-status", "FAILED", timeout=PATIENCE_MS)
    expect(page.locator(".progress", has_text="Start failed")).to_be_visible()
    assert not machine.instance("another").active
    failed.locator("a").first.click()
    expect(page.locator("#error [data-field=code]")).to_have_text("emulator-changed")
