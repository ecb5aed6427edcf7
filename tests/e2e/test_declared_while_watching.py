"""What others declare, rename and delete appears on an open page, where rows never move by themselves."""

import re

from playwright.sync_api import Page, expect

from tests.e2e.conftest import RunningMedimgr
from tests.e2e.watching import (
    assert_not_reloaded,
    cell,
    declared,
    expect_another_pid,
    expect_link,
    expect_state,
    kill_9,
    mark,
    open_service,
    open_services,
    order,
    press,
    row,
)
from tests.factories import make_service


def test_a_new_service_gets_a_row_and_a_deleted_one_loses_it(page: Page, running: RunningMedimgr) -> None:
    open_services(page)
    mark(page)
    before = order(page)
    with declared(running, "newcomer", ports=[4711]):
        expect_state(page, "newcomer", "RUNNING")
        expect(cell(page, "newcomer", "pid")).to_have_text(re.compile(r"^\d+$"))
        expect(cell(page, "newcomer", "port")).to_have_text("4711")
        expect(page.locator('[data-count="all"]')).to_have_text(str(len(before) + 1))
        assert [key for key in order(page) if key != "newcomer"] == before
        # It can be acted upon like any other.
        old = cell(page, "newcomer", "pid").inner_text()
        press(page, "newcomer", "restart")
        expect_another_pid(page, "newcomer", old)
    expect(row(page, "newcomer")).to_have_count(0)
    assert order(page) == before
    expect(page.locator("#health-sentence")).to_have_text("All 9 services are running.")
    assert_not_reloaded(page)


def test_a_new_name_is_shown_as_text_whatever_it_holds(page: Page, running: RunningMedimgr) -> None:
    bad = "<img src=x onerror=broken=1><script>broken=1</script>"
    with declared(running, "renamed", warning=bad, description=bad, group=bad) as service:
        open_services(page)
        mark(page)
        service.name = bad
        with running.instance.database():
            service.save()
        expect(cell(page, "renamed", "name")).to_have_text(bad)
        expect(row(page, "renamed").locator("[data-pick]")).to_have_attribute("aria-label", f"Select {bad}")
        press(page, "renamed", "stop")
        expect(page.locator("#confirm-title")).to_have_text(f"Stop {bad}?")
        expect(page.locator("#confirm-targets")).to_contain_text("<script>")
        page.locator("#confirm-cancel").click()
        assert_not_reloaded(page)
        open_service(page, "renamed")
        expect(page.locator("h1")).to_have_text(bad)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.goto("/monitoring/?q=%22%3E%3Cscript%3Ebroken%3D1%3C/script%3E")
        expect_link(page, "live")
        expect(page.locator("#nothing-shown")).to_contain_text("<script>")
        page.goto("/admin/monitoring/service/?q=renamed")
        expect(page.locator("#result_list")).to_contain_text("renamed")
        assert page.evaluate("window.broken") is None


def test_the_page_of_a_deleted_service_says_so(page: Page, running: RunningMedimgr) -> None:
    with declared(running, "shortlived") as service:
        open_service(page, "shortlived")
        with running.instance.database():
            service.delete()
        expect(page.locator("#gone")).to_be_visible()
        expect(page.locator('[data-action="start"]')).to_have_attribute("title", "It was deleted.")
    page.reload()
    expect(page.locator("h1")).to_have_text("Not found")


def test_rows_stay_where_they_are_whatever_becomes_of_their_services(
    page: Page, running: RunningMedimgr
) -> None:
    open_services(page, "?sort=state&dir=up")
    before = order(page)
    old = running.pids()["incentive-system"]
    assert old is not None
    kill_9(old)
    expect_another_pid(page, "incentive-system", old)
    press(page, "network-dashboard", "stop")
    expect_state(page, "network-dashboard", "STOPPED")
    assert order(page) == before
    # Only a click sorts: the stopped one is last then.
    page.locator('[data-sort="state"]').click()
    page.locator('[data-sort="state"]').click()
    page.locator('[data-sort="state"]').click()
    assert order(page)[-1] == "network-dashboard"
    sorted_order = order(page)
    press(page, "network-dashboard", "start")
    expect_state(page, "network-dashboard", "RUNNING")
    assert order(page) == sorted_order


def test_sort_filter_and_search_survive_a_reload(page: Page, running: RunningMedimgr) -> None:
    open_services(page)
    page.locator('[data-sort="name"]').click()
    page.locator('[data-sort="name"]').click()
    page.locator('[data-filter="running"]').click()
    page.locator("#search").fill("medivote")
    shown = page.locator("tr.service:visible")
    expect(shown).to_have_count(6)
    names = page.locator('tr.service:visible [data-field="name"]').all_inner_texts()
    assert names == sorted(names, key=str.lower, reverse=True)
    expect(page).to_have_url(re.compile(r"\?show=running&q=medivote&sort=name&dir=down$"))
    page.reload()
    expect_link(page, "live")
    expect(shown).to_have_count(6)
    assert page.locator('tr.service:visible [data-field="name"]').all_inner_texts() == names
    expect(page.locator("#search")).to_have_value("medivote")
    expect(page.locator('[data-filter="running"]')).to_have_attribute("aria-current", "true")
    expect(page.locator('th[data-column="name"]')).to_have_attribute("aria-sort", "descending")
    # The way back from a service leads to the same list.
    page.locator('tr.service:visible [data-field="name"]').first.click()
    expect(page).to_have_url(re.compile("/monitoring/services/"))
    expect_link(page, "live")
    page.locator("#back-to-list").click()
    expect(shown).to_have_count(6)
    page.locator("#search").fill("no such thing")
    expect(page.locator("#nothing-shown")).to_be_visible()
    page.locator("#show-all").click()
    expect(shown).to_have_count(9)


def test_an_import_of_many_shows_all_of_them(page: Page, running: RunningMedimgr) -> None:
    open_services(page)
    mark(page)
    keys = [f"bulk-{number}" for number in range(12)]
    with running.instance.database():
        made = [make_service(key, autostart=False) for key in keys]
        try:
            for key in keys:
                expect_state(page, key, "STOPPED")
        finally:
            for service in made:
                service.delete()
    for key in keys:
        expect(row(page, key)).to_have_count(0)
    assert_not_reloaded(page)
