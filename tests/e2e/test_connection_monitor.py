"""The connections page tells of each stream, keeps its figures moving, and copes with a thousand rows."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from playwright.sync_api import Browser, Locator, Page, expect

from medimgr.events.log import publish
from medimgr.events.models import Connection, StreamWorker
from tests.e2e.conftest import ADMIN, RunningMedimgr
from tests.e2e.watching import account, expect_connections, expect_link, new_context, open_services
from tests.events.sessions import log_in
from tests.events.stream_client import StreamClient

MONITOR = "/monitoring/connections/"
MOVING_MS = 8000
"""Web workers write what they count every 5 s, the page asks every 3 s, and the machine has other work."""


@pytest.fixture
def monitor(page: Page) -> Page:
    page.goto(MONITOR)
    expect_link(page, "live")
    expect(fact(page, "places")).not_to_have_text("–")
    return page


def fact(page: Page, name: str) -> Locator:
    return page.locator(f'[data-fact="{name}"]')


def breakdown(page: Page, name: str) -> Locator:
    return page.locator(f'[data-breakdown="{name}"] li')


def field(row: Locator, name: str) -> Locator:
    return row.locator(f'[data-field="{name}"]')


@contextmanager
def stream_of(running: RunningMedimgr, name: str, **query: Any) -> Iterator[StreamClient]:
    """A stream of somebody else, as another program would open it."""
    with running.instance.database():
        user = User.objects.filter(username=name).first()
    user = user or account(running, name, is_staff=True, is_superuser=True)
    with running.instance.database():
        session = log_in(user)
    with StreamClient(running.port, session, **query) as stream:
        yield stream.start()


def publish_one(running: RunningMedimgr) -> None:
    with running.instance.database(), transaction.atomic():
        publish("service", "nobody", {"test": True})


def stir(running: RunningMedimgr) -> None:
    """Have the page look at once, as it does where anything happens to a connection."""
    with running.instance.database(), transaction.atomic():
        publish("connection", "0", {"id": 0})


def test_a_row_tells_which_page_and_what_it_follows(monitor: Page, running: RunningMedimgr) -> None:
    with (
        stream_of(running, "monika", topics="service,operation", page="/monitoring/services/backend/"),
        stream_of(running, "monika", topics="node"),
    ):
        rows = monitor.locator("tr[data-connection]").filter(has_text="monika")
        expect(rows).to_have_count(2)
        first, second = rows.first, rows.last
        expect(field(first, "page")).to_have_text("/monitoring/services/backend/")
        expect(field(first, "kind")).to_have_text("Service")
        expect(field(first, "topics")).to_have_text(": operation, service")
        expect(field(first, "since")).to_have_text(re.compile(r"^since \d\d:\d\d:\d\d$"))
        expect(field(first, "duration")).to_have_text(re.compile(r"^\d+ s$"))
        expect(field(first, "pages")).to_have_text("1")
        expect(field(second, "page")).to_have_text("–")
        expect(field(second, "kind")).to_have_text("No page")
        expect(breakdown(monitor, "user").filter(has_text="monika")).to_contain_text("2")
        expect(fact(monitor, "pages")).to_have_text("3")
        with running.instance.database():
            Connection.objects.filter(user__username="monika", page="").update(pages=5)
        expect(field(second, "pages")).to_have_text("5")
        expect(fact(monitor, "pages")).to_have_text("7")


def test_figures_of_a_row_move_without_a_heartbeat(monitor: Page, running: RunningMedimgr) -> None:
    """The heartbeat of this installation is half a minute."""
    with stream_of(running, "monika", topics="service") as stream:
        row = monitor.locator("tr[data-connection]").filter(has_text="monika")
        publish_one(running)
        stream.next("service")
        expect(field(row, "events")).to_have_text(re.compile(r"^[1-9]$"), timeout=MOVING_MS)
        expect(field(row, "bytes")).not_to_have_text("0 B")


def test_how_well_streams_do_is_told_above(monitor: Page, running: RunningMedimgr) -> None:
    publish_one(running)
    expect(fact(monitor, "delay")).to_have_text(
        re.compile(r"^[\d.]+ / [\d.]+ / [\d.]+ ms$"), timeout=MOVING_MS
    )
    # Of the last five minutes: tests before this one have broken streams off.
    expect(fact(monitor, "failed")).to_have_text(re.compile(r"^[\d.]+ %$"))
    expect(fact(monitor, "failed")).to_have_attribute("data-level", "")
    expect(fact(monitor, "behind")).to_have_text(re.compile(r"^0\.\d s$"))
    expect(fact(monitor, "places")).to_have_text("1 of 500")
    expect(monitor.locator("#connections-health")).to_be_hidden()
    expect(monitor.locator("#connections-verdict")).to_have_attribute("data-level", "good")


def test_trouble_is_told_in_words(monitor: Page, running: RunningMedimgr) -> None:
    now = timezone.now()
    stuck = {"now": {"lag_events": 9, "lag_seconds": 60.0, "silent_seconds": 60.0}}
    with running.instance.database():
        worker = StreamWorker.objects.create(
            node="far", pid=1, start_ticks=1, started_at=now, seen_at=now, figures=stuck
        )
    try:
        stir(running)
        told = monitor.locator("#connections-health")
        expect(told).to_contain_text(
            "Web worker far:1 has not read the event log for 60 s", timeout=MOVING_MS
        )
        expect(monitor.locator("#connections-verdict")).to_have_attribute("data-level", "attention")
        expect(fact(monitor, "behind")).to_have_attribute("data-level", "bad")
    finally:
        with running.instance.database():
            StreamWorker.objects.filter(pk=worker.pk).delete()
    stir(running)
    expect(told).to_be_hidden(timeout=MOVING_MS)


def test_all_connections_of_somebody_are_ended(monitor: Page, running: RunningMedimgr) -> None:
    with (
        stream_of(running, "monika", topics="service") as one,
        stream_of(running, "monika", topics="service") as other,
    ):
        line = breakdown(monitor, "user").filter(has_text="monika")
        expect(line).to_contain_text("2")
        expect(breakdown(monitor, "user").filter(has_text=ADMIN).get_by_role("button")).to_have_count(0)
        monitor.get_by_role("button", name="End 2 connections of monika").click()
        expect(monitor.locator("#connections-told")).to_contain_text("2 connections of monika ended.")
        for stream in (one, other):
            assert stream.next("bye").data["reason"] == "kicked"
        expect(line).to_have_count(0)
        expect(breakdown(monitor, "reason").filter(has_text="ended by somebody")).to_be_visible()


@pytest.mark.parametrize("width", [390, 1280])
def test_a_long_name_stays_in_its_place(monitor: Page, running: RunningMedimgr, width: int) -> None:
    monitor.set_viewport_size({"width": width, "height": 900})
    with stream_of(running, "a" + "very" * 20 + "long.name", topics="service"):
        line = breakdown(monitor, "user").filter(has_text="very")
        expect(line.get_by_role("button")).to_be_visible()
        sticking_out = """() => {
          const end = (node) => node.getBoundingClientRect().right;
          return [...document.querySelectorAll("main .breakdown *, main .facts *")]
            .filter((node) => end(node) > end(node.closest(".breakdown, .facts")))
            .map((node) => node.outerHTML);
        }"""
        assert monitor.evaluate(sticking_out) == []
        assert monitor.evaluate("document.documentElement.scrollWidth") <= width


def test_rows_are_sorted_and_searched_by_keyboard(monitor: Page, running: RunningMedimgr) -> None:
    with (
        stream_of(running, "anton", topics="service", page="/operations/"),
        stream_of(running, "zoe", topics="service", page="/monitoring/"),
    ):
        users = monitor.locator('#connection-rows tr:not([hidden]) [data-field="user"]')
        expect(users).to_have_text([ADMIN, "anton", "zoe"])
        heading = monitor.get_by_role("columnheader", name="User")
        heading.get_by_role("button").press("Enter")
        expect(heading).to_have_attribute("aria-sort", "ascending")
        expect(users).to_have_text([ADMIN, "anton", "zoe"])
        heading.get_by_role("button").press("Enter")
        expect(heading).to_have_attribute("aria-sort", "descending")
        expect(users).to_have_text(["zoe", "anton", ADMIN])
        expect(heading.get_by_role("button")).to_be_focused()
        heading.get_by_role("button").press("Enter")
        expect(heading).to_have_attribute("aria-sort", "none")
        expect(users).to_have_text([ADMIN, "anton", "zoe"])
        search = monitor.get_by_label("Search connections")
        search.fill("OPERATIONS")
        expect(users).to_have_text(["anton"])
        expect(monitor.locator("#connections-shown")).to_have_text("1 of 3 shown")
        search.fill("no such thing")
        expect(monitor.locator("#none-fits")).to_be_visible()
        search.fill("")
        expect(users).to_have_count(3)


@pytest.fixture
def thousand(running: RunningMedimgr) -> Iterator[None]:
    """A thousand rows of a web worker elsewhere, which nobody takes for dead."""
    now = timezone.now()
    with running.instance.database():
        worker = StreamWorker.objects.create(
            node="far", pid=1, start_ticks=1, started_at=now, seen_at=now + timedelta(hours=1)
        )
        user = User.objects.get(username=ADMIN)
        Connection.objects.bulk_create(
            Connection(
                worker=worker,
                user=user,
                address=f"192.0.2.{number % 250}",
                page="/monitoring/",
                topics=["service"],
                connected_at=now,
                last_ping_at=now,
                events_sent=number,
            )
            for number in range(1000)
        )
    yield
    with running.instance.database():
        worker.delete()


@pytest.mark.usefixtures("thousand")
def test_a_thousand_rows_are_no_burden(
    browser: Browser, running: RunningMedimgr, logged_in: dict[str, Any]
) -> None:
    # As many as there are would be refused another one.
    context = new_context(browser, running, logged_in, viewport={"width": 390, "height": 844})
    try:
        page = context.new_page()
        page.goto(MONITOR)
        rows = page.locator("#connection-rows tr")
        expect(rows).to_have_count(1000)
        # What a refresh does to a page with all of them, without waiting for the network.
        took = page.evaluate(
            """async () => {
              const stats = await medimgr.api.streams();
              const table = new medimgr.ConnectionTable(document.getElementById("connections"), () => {});
              table.update(stats.connections);
              const began = performance.now();
              for (let turn = 0; turn < 5; turn += 1) {
                for (const connection of stats.connections) connection.events_sent += 1;
                table.update(stats.connections);
              }
              return (performance.now() - began) / 5;
            }"""
        )
        assert took < 250
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    finally:
        context.close()


def test_one_page_is_one_connection_still(page: Page, running: RunningMedimgr) -> None:
    """Asking for figures opens nothing."""
    open_services(page)
    for path in ("/metrics", "/api/events/stats", "/api/events/health"):
        assert running.client.get(path).status_code == 200
    expect_connections(running, ["/monitoring/"], 2)
