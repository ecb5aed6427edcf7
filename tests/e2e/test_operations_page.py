"""The list of operations, live: what fits its filters, how far it is, and what can be done with it."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Locator, Page, expect

from monitoring.models import Service
from operations import lifecycle
from operations.intake import request_operation
from operations.models import Operation
from operations.requester import Requester
from operations.states import Status
from tests.e2e.conftest import ADMIN, RunningMedimgr
from tests.e2e.watching import expect_link

# Nobody serves it: what waits there waits until a test takes it up.
NOWHERE = "node:nowhere"
BERTA = Requester("berta", "api")


@pytest.fixture
def desk(running: RunningMedimgr) -> Iterator["Desk"]:
    """Asks for operations, and carries them out as far as a test wants."""
    desk = Desk(running)
    yield desk
    desk.clear()


class Desk:
    """Stands in for a worker that takes its time: every step is a transition with its event."""

    def __init__(self, running: RunningMedimgr) -> None:
        self.running = running

    def ask(self, key: str, kind: str = "service.restart", **more: Any) -> Operation:
        with self.running.instance.database():
            target = Service.objects.get(key="backend")
            return request_operation(kind, target, key, queue=NOWHERE, requester=BERTA, **more)

    def begin(self) -> Operation:
        """Claim the operation that has waited longest."""
        with self.running.instance.database():
            return lifecycle.claim(NOWHERE, "worker-of-a-test", limit=1)[0]

    def report(self, operation: Operation, done: int, total: int, message: str) -> None:
        with self.running.instance.database():
            lifecycle.report(operation, done, total, message)

    def end(self, operation: Operation, status: Status, code: str = "", detail: str = "") -> None:
        with self.running.instance.database():
            lifecycle.finish(operation, status, code, detail)

    def clear(self) -> None:
        """End whatever a test has left."""
        with self.running.instance.database():
            for row in Operation.objects.filter(queue=NOWHERE, status=Status.PENDING):
                lifecycle.request_cancel(row, BERTA)
            for row in Operation.objects.filter(queue=NOWHERE, status=Status.RUNNING):
                lifecycle.finish(row, Status.CANCELLED, "cancelled", "The test is over.")


def open_list(page: Page, query: str = "") -> None:
    page.goto(f"/operations/{query}")
    expect_link(page, "live")


def row(page: Page, operation: Operation) -> Locator:
    return page.locator(f'#operations tr[data-operation="{operation.pk}"]')


def field(row: Locator, name: str) -> Locator:
    return row.locator(f'[data-field="{name}"]')


def test_an_operation_is_followed_from_the_request_to_its_end(page: Page, desk: Desk) -> None:
    open_list(page)
    operation = desk.ask("slow-one", reason="a new key ceremony")
    line = row(page, operation)
    expect(field(line, "status")).to_have_text("Pending")
    expect(field(line, "label")).to_have_text("Restart")
    expect(field(line, "target")).to_have_text("service:slow-one")
    expect(field(line, "target")).to_have_attribute("href", "/monitoring/services/slow-one/")
    expect(field(line, "requested_by")).to_have_text("berta")
    expect(field(line, "reason")).to_have_text("a new key ceremony")
    expect(field(line, "took")).to_have_text("–")
    expect(field(line, "bar")).to_be_hidden()
    claimed = desk.begin()
    expect(field(line, "status")).to_have_text("Running")
    desk.report(claimed, 7, 20, "sealing ballots")
    expect(field(line, "message")).to_have_text("7/20 sealing ballots")
    expect(field(line, "bar")).to_be_visible()
    assert field(line, "bar").evaluate("bar => bar.value / bar.max") == pytest.approx(0.35)
    expect(field(line, "took")).to_have_text("2 s", timeout=8000)  # it counts on without any message
    desk.end(claimed, Status.FAILED, "port-busy", "Port 8001 is taken by pid 77 (nginx).")
    expect(field(line, "status")).to_have_text("Failed")
    expect(field(line, "message")).to_have_text("Its port is taken by another program.")
    expect(field(line, "detail")).to_have_text("Port 8001 is taken by pid 77 (nginx).")
    expect(field(line, "bar")).to_be_hidden()


def test_new_ones_come_only_where_they_fit_and_what_has_left_is_dimmed(page: Page, desk: Desk) -> None:
    open_list(page, "?status=active&target=service%3Afits")
    expect(page.locator("#no-operations")).to_contain_text("No operation fits these filters.")
    other = desk.ask("fits-not")
    fitting = desk.ask("fits")
    expect(row(page, fitting)).to_be_visible()  # it came later, so the other one would be here
    expect(row(page, other)).to_have_count(0)
    expect(page.locator("#no-operations")).to_be_hidden()
    expect(page.locator("#operations-count")).to_have_text("1 operation", timeout=8000)
    desk.clear()
    expect(row(page, fitting)).to_have_attribute("data-status", "CANCELLED")
    expect(row(page, fitting)).to_have_class("left-filter")
    page.reload()
    expect(row(page, fitting)).to_have_count(0)


def test_filters_are_in_the_address_and_need_no_script(page: Page, desk: Desk) -> None:
    operation = desk.ask("by-berta", "service.stop")
    open_list(page)
    page.get_by_label("Kind").select_option("service.stop")
    page.wait_for_url("**/operations/?kind=service.stop")
    page.get_by_label("Asked by whom").fill("berta")
    page.keyboard.press("Enter")
    page.wait_for_url("**/operations/?kind=service.stop&requested_by=berta")
    page.get_by_role("link", name="Waiting").click()
    page.wait_for_url("**/operations/?kind=service.stop&requested_by=berta&status=PENDING")
    expect(row(page, operation)).to_be_visible()
    page.get_by_role("link", name="Show all").first.click()
    page.wait_for_url("**/operations/")


def test_a_filter_that_cannot_be_meant_shows_nothing_and_says_why(page: Page) -> None:
    open_list(page, "?since=yesteryear")
    expect(page.locator("#filter-fault")).to_contain_text("Correct since.")
    expect(page.locator("#operations tbody tr")).to_have_count(0)


def test_what_waits_is_cancelled_at_once_and_what_runs_says_cancelling(page: Page, desk: Desk) -> None:
    running = desk.ask("runs")
    claimed = desk.begin()
    waiting = desk.ask("waits")
    open_list(page)
    row(page, waiting).get_by_role("button", name="Cancel").click()
    expect(field(row(page, waiting), "status")).to_have_text("Cancelled")
    expect(field(row(page, waiting), "message")).to_have_text(f"Cancelled by {ADMIN} before it began.")
    line = row(page, running)
    line.get_by_role("button", name="Cancel").click()
    expect(field(line, "status")).to_have_text("Cancelling")
    expect(line.get_by_role("button")).to_have_attribute("title", "Asked for already.")
    desk.end(claimed, Status.SUCCESS)  # it finished first: the truth is that it succeeded
    expect(field(line, "status")).to_have_text("Success")
    expect(line.get_by_role("button")).to_have_count(0)


def test_what_was_cancelled_is_asked_for_again(page: Page, running: RunningMedimgr) -> None:
    asked = running.client.post("/api/services/backend/start", json={}).json()["operation"]
    running.instance.wait_for(
        lambda: running.client.get(f"/api/operations/{asked['id']}").json()["finished_at"], 20, "it has ended"
    )
    with running.instance.database():
        old = Operation.objects.get(pk=asked["id"])
        now = timezone.now()
        old.pk, old.status, old.created_at = None, Status.CANCELLED, now
        old.idempotency_key = ""
        old.save(force_insert=True)
    open_list(page)
    row(page, old).get_by_role("button", name="Ask again").click()
    notice = page.locator(".notice", has_text="was asked for again")
    expect(notice).to_be_visible()
    notice.get_by_role("link").click()
    expect(page.locator("main")).to_contain_text(f"operation {old.pk}")
    expect(page.locator("#operation")).to_have_attribute("data-status", "SUCCESS", timeout=20_000)


def test_several_are_selected_and_cancelled_together(page: Page, desk: Desk) -> None:
    made = [desk.ask(f"many-{number}") for number in range(4)]
    claimed = desk.begin()
    open_list(page, "?requested_by=berta&status=active")
    row(page, made[3]).locator("[data-pick]").click()
    row(page, made[0]).locator("[data-pick]").click(modifiers=["Shift"])
    expect(page.locator("#selection-text")).to_have_text("4 selected")
    row(page, made[2]).locator("[data-pick]").click()
    expect(page.locator("#selection-text")).to_have_text("3 selected")
    page.get_by_role("button", name="Cancel them").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("It runs: it is asked to end.")
    dialog.get_by_role("button", name="Cancel 3 operations").click()
    expect(field(row(page, made[3]), "status")).to_have_text("Cancelled")
    expect(field(row(page, made[1]), "status")).to_have_text("Cancelled")
    expect(field(row(page, made[0]), "status")).to_have_text("Cancelling")
    expect(field(row(page, made[2]), "status")).to_have_text("Pending")
    expect(page.locator(".notice")).to_contain_text("2 operations were cancelled, 1 was asked to end.")
    expect(page.locator("#selection")).to_be_hidden()
    desk.end(claimed, Status.CANCELLED, "cancelled", "Cancelled.")


def test_all_that_wait_and_fit_are_cancelled(page: Page, desk: Desk) -> None:
    fitting = [desk.ask(f"stop-{number}", "service.stop") for number in range(3)]
    other = desk.ask("restart-1")
    open_list(page, "?kind=service.stop&requested_by=berta")
    page.get_by_role("button", name="Cancel what waits").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("kind: service.stop")
    expect(dialog).to_contain_text("requested by: berta")
    dialog.get_by_role("button", name="Cancel 3 operations").click()
    for operation in fitting:
        expect(row(page, operation)).to_have_attribute("data-status", "CANCELLED")
    open_list(page)
    expect(row(page, other)).to_have_attribute("data-status", "PENDING")


def test_no_row_moves_while_somebody_is_at_the_table(page: Page, desk: Desk) -> None:
    first = desk.ask("still")
    open_list(page)
    line = row(page, first)
    line.hover()
    place = line.bounding_box()
    second = desk.ask("moving")
    expect(field(row(page, first), "status")).to_have_text("Pending")
    for _ in range(5):
        box = line.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 40, box["y"] + 8)
        page.mouse.move(box["x"] + 60, box["y"] + 9)
        page.wait_for_timeout(200)
        assert line.bounding_box() == place
    expect(row(page, second)).to_have_count(0)
    page.mouse.move(2, 2)
    expect(row(page, second)).to_be_visible()
    assert page.locator("#operations tbody tr").first.get_attribute("data-operation") == str(second.pk)


def test_older_operations_are_a_page_further(page: Page, running: RunningMedimgr, desk: Desk) -> None:
    with running.instance.database():
        now = timezone.now()
        Operation.objects.bulk_create(
            Operation(
                kind="service.start", target_type="service", target_key=f"old-{number}", queue=NOWHERE,
                requester="carl", source="api", status=Status.SUCCESS, created_at=now, run_after=now,
                started_at=now, finished_at=now, deadline_at=now + timedelta(minutes=5),
            )
            for number in range(130)
        )  # fmt: skip
    open_list(page, "?requested_by=carl")
    body = page.locator("#operations tbody tr")
    expect(body).to_have_count(100)
    expect(page.locator("#operations-count")).to_have_text("130 operations")
    page.get_by_role("link", name="Older").click()
    expect(body).to_have_count(30)
    expect_link(page, "live")
    expect(page.locator("#not-newest")).to_be_visible()
    page.get_by_role("link", name="Newer").click()
    expect(body).to_have_count(100)
    expect(page.locator("#not-newest")).to_be_hidden()


def test_the_figures_of_each_kind_come_when_they_are_opened(
    page: Page, running: RunningMedimgr, desk: Desk
) -> None:
    desk.ask("counted", "service.stop")
    desk.end(desk.begin(), Status.SUCCESS)
    open_list(page)
    details = page.locator("#statistics")
    details.get_by_text("Statistics per kind").click()
    expect(details.get_by_role("status")).to_contain_text("operations that have ended")
    stats = running.client.get("/api/operations/stats").json()
    for kind in stats["kinds"]:
        cells = details.locator("tbody tr", has=page.get_by_text(kind["label"], exact=True)).locator("td")
        expect(cells.nth(0)).to_have_text(kind["label"])
        expect(cells.nth(1)).to_have_text(str(kind["finished"]))
    assert stats["kinds"]


def test_the_page_of_a_service_shows_its_operations_live(
    page: Page, running: RunningMedimgr, desk: Desk
) -> None:
    page.goto("/monitoring/services/incentive-system/")
    expect_link(page, "live")
    panel = page.locator("#its-operations")
    asked = running.client.post("/api/services/incentive-system/restart", json={"reason": "x"}).json()[
        "operation"
    ]
    line = panel.locator(f'tr[data-operation="{asked["id"]}"]')
    expect(field(line, "label")).to_have_text("Restart")
    expect(line).to_have_attribute("data-status", "SUCCESS", timeout=20_000)
    other = desk.ask("somebody-else")
    second = running.client.post("/api/services/incentive-system/restart", json={}).json()["operation"]
    expect(panel.locator("tbody tr").first).to_have_attribute(
        "data-operation", str(second["id"]), timeout=10_000
    )
    expect(panel.locator(f'tr[data-operation="{other.pk}"]')).to_have_count(0)
    assert panel.locator("tbody tr").count() <= 8
    running.wait_until_all_run()
