"""The list of workstations: filters, search, selection, what comes by the stream, thousands of emulators."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect
from pytest_django import DjangoDbBlocker

from medimgr.events.log import publish
from tests.e2e.conftest import RunningMedimgr, cookies_of, watch_for_faults
from tests.e2e.fleet import medimgr_for_workstations
from tests.e2e.test_accessibility import _NAMELESS, unreadable_in_light_and_dark
from tests.e2e.watching import account, expect_link
from tests.workstations.fleet_rows import make_emulator, make_fleet, make_workstation
from workstations.models import Emulator, Workstation
from workstations.states import EmulatorState, Reachability

FEW, EACH = 7, 10
TEXTS = "main :is(a, button, h1, h2, span, p, label, strong, dd, dt, th)"
# What somebody has to wait for after pressing or typing, in milliseconds of script and layout.
_TIMES = """() => {
  const timed = (act) => {
    const begin = performance.now();
    act();
    document.body.offsetHeight;
    return performance.now() - begin;
  };
  const type = (text) => {
    const box = document.getElementById("search");
    box.value = text;
    box.dispatchEvent(new Event("input", { bubbles: true }));
  };
  return [
    timed(() => document.querySelector('[data-state-filter="running"]').click()),
    timed(() => type("150-1")),
    timed(() => type("")),
    timed(() => document.getElementById("pick-all").click()),
  ];
}"""


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker
) -> Iterator[RunningMedimgr]:
    """Start a medimgr with seven workstations that exist in its database alone."""
    with (
        django_db_blocker.unblock(),
        medimgr_for_workstations(tmp_path_factory.mktemp("rows")) as (started, _),
    ):
        with started.instance.database():
            make_fleet(FEW, EACH)
        yield started


@pytest.fixture(scope="module")
def cookies(browser: Browser, running: RunningMedimgr) -> Any:
    """Return the cookies of the administrator."""
    return cookies_of(browser, running)


@pytest.fixture
def context(browser: Browser, running: RunningMedimgr, cookies: Any) -> Iterator[BrowserContext]:
    """Return a browser that is logged in there."""
    context = browser.new_context(
        base_url=running.url, storage_state=cookies, viewport={"width": 1280, "height": 900}
    )
    faults = watch_for_faults(context)
    yield context
    context.close()
    assert faults == []


def open_list(page: Page, query: str = "") -> None:
    page.goto(f"/workstations/{query}")
    expect_link(page, "live")


def host(page: Page, name: str) -> Locator:
    return page.locator(".host").filter(has=page.locator("h2", has_text=name))


def tile(page: Page, title: str) -> Locator:
    return page.locator(".tile").filter(has_text=title)


def shown(page: Page) -> list[str]:
    names: list[str] = page.locator(".host:not([hidden]) h2").all_inner_texts()
    return names


def change(running: RunningMedimgr, row: Workstation | Emulator, **fields: Any) -> None:
    """Change a row and publish it, as a reading does."""
    with running.instance.database(), transaction.atomic():
        for name, value in fields.items():
            setattr(row, name, value)
        row.save()
        if isinstance(row, Emulator):
            publish("emulator", str(row.pk), row.public())


def test_chips_count_filter_and_are_in_the_address(page: Page) -> None:
    open_list(page)
    expect(page.locator("#health-sentence")).to_contain_text("1 of 7 workstations needs attention")
    expect(page.locator('[data-count="all"]')).to_have_text("7")
    expect(page.locator('[data-count="offline"]')).to_have_text("1")
    expect(page.locator('[data-state-count="running"]')).to_have_text("24")
    page.locator('[data-filter="attention"]').click()
    assert shown(page) == ["pc-003"]
    assert page.url.endswith("?show=attention")
    page.locator('[data-state-filter="running"]').click()
    expect(page.locator("#nothing-shown")).to_be_visible()
    page.locator("#show-all").click()
    assert len(shown(page)) == FEW
    page.locator('[data-state-filter="starting"]').click()
    assert page.locator(".tile:not([hidden])").count() == 12
    page.locator("#tag").select_option("lab")
    assert len(shown(page)) == 2
    page.reload()
    assert "state=starting&tag=lab" in page.url
    assert len(shown(page)) == 2
    expect(page.locator("#tag")).to_have_value("lab")


def test_the_search_finds_workstations_and_emulators(page: Page) -> None:
    open_list(page)
    page.keyboard.press("/")
    expect(page.locator("#search")).to_be_focused()
    page.keyboard.type("phone 002-0")
    assert shown(page) == ["pc-002"]
    assert page.locator(".tile:not([hidden])").count() == 10
    page.locator("#search").fill("002-07")
    assert page.locator(".tile:not([hidden])").all_inner_texts()[0].startswith("Phone 002-07")
    page.keyboard.press("Escape")
    assert len(shown(page)) == FEW
    page.locator("#search").fill("hanoi")
    assert len(shown(page)) == FEW
    page.locator("#search").fill("no such thing")
    expect(page.locator("#nothing-why")).to_contain_text("no such thing")


def test_what_changes_is_seen_without_a_reload(page: Page, running: RunningMedimgr) -> None:
    open_list(page)
    with running.instance.database():
        row = make_workstation("zz-late", tags=["late"])
        emulator = make_emulator(row, 4, "Second")
        with transaction.atomic():
            publish("emulator", str(emulator.pk), emulator.public())
        first = make_emulator(row, 1, "First")
        with transaction.atomic():
            publish("emulator", str(first.pk), first.public())
    expect(host(page, "zz-late").locator(".tile a")).to_have_text(["First", "Second"])
    expect(page.locator("#tag option")).to_contain_text(["late"])
    change(running, emulator, state=EmulatorState.RUNNING, title="Second, renamed")
    expect(tile(page, "Second, renamed")).to_have_attribute("data-state", "running")
    expect(host(page, "zz-late")).to_contain_text("1/2 running")
    change(running, emulator, state=EmulatorState.ZOMBIE)
    expect(page.locator("#health-sentence")).to_contain_text("zz-late has a zombie emulator")
    expect(page).to_have_title(re.compile(r"^\(2\) "))
    change(running, row, status=Reachability.ERROR, error_code="workstation-tls", last_error="Not trusted.")
    expect(host(page, "zz-late")).to_contain_text("Not trusted.")
    with running.instance.database():
        key = str(first.pk)
        first.delete()
        with transaction.atomic():
            publish("emulator", key, {"deleted": True, "workstation": row.pk})
    expect(host(page, "zz-late").locator(".tile")).to_have_count(1)
    with running.instance.database():
        row.delete()
    expect(host(page, "zz-late")).to_have_count(0)
    expect(page.locator('[data-count="all"]')).to_have_text("7")


def test_a_page_that_missed_messages_fetches_what_is_true(page: Page, running: RunningMedimgr) -> None:
    with running.instance.database():  # and no event of any of it
        row = make_workstation("quiet")
        gone = make_emulator(row, 0, "Gone")
        stays = make_emulator(row, 1, "Stays")
    open_list(page)
    expect(host(page, "quiet").locator(".tile a")).to_have_text(["Gone", "Stays"])
    page.evaluate("window.notReloaded = true")
    with running.instance.database():
        Emulator.objects.filter(pk=gone.pk).delete()
        Emulator.objects.filter(pk=stays.pk).update(state=EmulatorState.RUNNING)
        make_emulator(row, 2, "Come")
    page.evaluate("medimgr.client.pass('reset', { last_event_id: 0 }, 0)")  # as the stream says it
    expect(host(page, "quiet").locator(".tile a")).to_have_text(["Stays", "Come"])
    expect(tile(page, "Stays")).to_have_attribute("data-state", "running")
    expect(host(page, "quiet")).to_contain_text("1/2 running")
    assert page.evaluate("window.notReloaded") is True
    with running.instance.database():
        row.delete()


def test_nothing_goes_from_under_the_pointer(page: Page, running: RunningMedimgr) -> None:
    open_list(page, "?state=running&q=pc-001")
    one = tile(page, "Phone 001-00")
    one.hover()
    with running.instance.database():
        emulator = Emulator.objects.get(title="Phone 001-00")
    change(running, emulator, state=EmulatorState.STOPPED)
    expect(one).to_have_class(re.compile("left-filter"))
    expect(one).to_be_visible()
    page.locator("#health-sentence").hover()
    expect(one).to_be_hidden(timeout=10_000)
    change(running, emulator, state=EmulatorState.RUNNING)
    expect(one).to_be_visible()


def test_a_selection_is_of_emulators_and_whole_workstations(page: Page) -> None:
    open_list(page)
    bar = page.locator("#selection")
    expect(bar).to_be_hidden()
    tile(page, "Phone 000-01").get_by_role("checkbox").check()
    tile(page, "Phone 000-04").get_by_role("checkbox").click(modifiers=["Shift"])
    expect(page.locator("#selection-text")).to_have_text("4 emulators on 1 workstation")
    assert page.get_by_label("Select pc-000 with").evaluate("box => box.indeterminate") is True
    page.get_by_label("Select pc-001 with").check()
    expect(page.locator("#selection-text")).to_have_text("14 emulators on 2 workstations")
    page.get_by_label("Select pc-001 with").uncheck()
    expect(page.locator("#selection-text")).to_have_text("4 emulators on 1 workstation")
    page.keyboard.press("Escape")
    expect(bar).to_be_hidden()
    open_list(page, "?state=stopped")
    page.get_by_label("Select all shown").check()
    expect(page.locator("#selection-text")).to_have_text("24 emulators on 6 workstations")


def test_what_cannot_be_done_says_why(page: Page) -> None:
    open_list(page)
    offline = tile(page, "Phone 003-00").get_by_role("button")
    expect(offline).to_have_attribute("title", re.compile("pc-003 is offline"))
    offline.dispatch_event("click")
    expect(page.locator(".notice")).to_contain_text("pc-003 is offline")
    expect(host(page, "pc-003").get_by_role("button", name="Test")).not_to_have_attribute(
        "aria-disabled", "true"
    )


def test_who_may_only_look_is_told_what_is_missing(browser: Browser, running: RunningMedimgr) -> None:
    with running.instance.database():
        from django.contrib.auth.models import Permission

        viewer = account(running, "viewer", is_staff=True)
        viewer.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    theirs: Any = cookies_of(browser, running, "viewer")
    context = browser.new_context(base_url=running.url, storage_state=theirs)
    page = context.new_page()
    open_list(page)
    button = tile(page, "Phone 000-02").get_by_role("button")
    expect(button).to_have_attribute("title", re.compile("workstations.launch_emulator"))
    expect(page.get_by_role("link", name="Add a workstation")).to_have_count(0)
    page.goto("/workstations/1/")
    expect_link(page, "live")
    create = page.get_by_role("button", name="New emulator")
    expect(create).to_have_attribute("title", re.compile("add_emulator_workstation"))
    context.close()


@pytest.mark.parametrize("path", ["/workstations/", "/workstations/1/", "/workstations/4/"])
def test_a_page_can_be_heard_and_read(page: Page, path: str) -> None:
    page.goto(path)
    expect_link(page, "live")
    assert page.evaluate(_NAMELESS) == []
    assert page.locator("h1").count() == 1
    assert page.locator("thead th:not([scope=col])").count() == 0
    assert page.locator("tbody th:not([scope^=row])").count() == 0
    ids = page.evaluate("() => [...document.querySelectorAll('[id]')].map((node) => node.id)")
    assert len(ids) == len(set(ids))
    assert unreadable_in_light_and_dark(page, TEXTS) == []


@pytest.mark.parametrize("path", ["/workstations/", "/workstations/1/"])
def test_nothing_sticks_out_on_a_phone(
    browser: Browser, running: RunningMedimgr, cookies: Any, path: str
) -> None:
    size: Any = {"width": 390, "height": 844}
    context = browser.new_context(
        base_url=running.url, storage_state=cookies, viewport=size, is_mobile=True, has_touch=True
    )
    page = context.new_page()
    page.goto(path)
    expect_link(page, "live")
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    for button in page.locator("[data-emulator] button:visible").all()[:6]:
        box = button.bounding_box()
        assert box is not None
        assert box["height"] >= 24
        assert box["x"] + box["width"] <= size["width"]
    context.close()


def test_two_hundred_workstations_stay_quick(page: Page, running: RunningMedimgr) -> None:
    with running.instance.database():
        make_fleet(193, 20, begin=FEW)
    try:
        open_list(page)
        assert page.locator(".host").count() == 200
        took = page.evaluate(_TIMES)
        assert max(took) < 400, took
        # Only what is in sight has controls.
        assert page.locator(".tile > button").count() < 1500
        host(page, "pc-198").evaluate("node => node.scrollIntoView()")
        expect(tile(page, "Phone 198-15").get_by_role("button")).to_be_visible()
    finally:
        with running.instance.database():
            Workstation.objects.filter(pk__gt=FEW).delete()
