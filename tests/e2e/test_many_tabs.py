"""Ten tabs of one browser over HTTP/1.1, which allows six connections: three have streams, and feed the rest.

On loopback, and under a name on a LAN: there a browser has fewer abilities, as no Web Locks.
"""

import re
import time
from collections.abc import Iterator

import pytest
from django.db import transaction
from django.db.models import Sum
from playwright.sync_api import Browser, BrowserContext, Error, Page, expect

from medimgr.events.log import publish
from medimgr.events.models import Connection, Event
from tests.browser import launch_options
from tests.e2e.conftest import LAN_NAME, RunningMedimgr, log_in_page, watch_for_faults
from tests.e2e.watching import PATIENCE_MS, account, expect_connections, expect_link, kill_9
from tests.running import wait_for

KEY = "backend"
SERVICES, SERVICE = "/monitoring/", f"/monitoring/services/{KEY}/"
MONITOR, OPERATIONS = "/monitoring/connections/", "/operations/"
TEN = [MONITOR, SERVICES, SERVICES, SERVICES, OPERATIONS, SERVICE, SERVICES, MONITOR, SERVICE, SERVICES]
"""In the order of opening. The hosts lack the topics of some guests, and the other way round."""

# A browser says that it ignores a header where it does not trust the address.
EXPECTED = rf"asked http://{re.escape(LAN_NAME)}:|Cross-Origin-Opener-Policy header has been ignored"
# Notes the id of every event that the page is given, by topic, and whether it was not live for a moment.
RECORD = """() => {
  window.had = [];
  const { client } = medimgr;
  for (const topic of client.topics) client.on(topic, (data, id) => window.had.push([topic, id]));
  client.on("link", (link) => { window.lost = window.lost || link.state !== "live"; });
  return client.lastEventId;
}"""


ROLE = """() => {
  const { link, share, position } = medimgr.client;
  const { id, role, slot, others } = share.tabs;
  const known = [...others.values()].map((one) => [one.from, one.role, one.slot]);
  return JSON.stringify({ id, role, slot, host: share.host, state: link.state, via: link.via, position,
    told: share.pagesTold, guests: [...share.guests.keys()], known });
}"""
HANG = """(ms) => setTimeout(() => {
  const end = Date.now() + ms;
  while (Date.now() < end);
}, 50)"""


class Tabs:
    """The tabs of one browser, each of which notes what it is given."""

    def __init__(self, context: BrowserContext, running: RunningMedimgr) -> None:
        self.context = context
        self.running = running
        self.pages: list[Page] = []
        self.since: dict[Page, int] = {}
        """The last event that each page had had when it began to note."""

    def open(self, path: str) -> Page:
        page = self.context.new_page()
        page.goto(path)
        expect_link(page, "live")
        self.since[page] = page.evaluate(RECORD)
        self.pages.append(page)
        return page

    def close(self, page: Page) -> None:
        self.pages.remove(page)
        page.close()

    def hosts(self) -> list[Page]:
        """Return those that have a stream of their own."""
        return [page for page in self.pages if page.evaluate("medimgr.client.share.isHost")]

    def roles(self) -> str:
        """Return what each tab takes itself for, for the message of a failed test."""
        with self.running.instance.database():
            rows = list(Connection.objects.values_list("pk", "page", "pages", "topics"))
        lines = [f"{page.url} {page.evaluate(ROLE)}" for page in self.pages]
        return "\n".join([*lines, str(rows)])

    def expect_all_live(self) -> None:
        for page in self.pages:
            expect_link(page, "live")

    def expect_pages(self, count: int, timeout: float) -> None:
        """Wait until the streams in the database feed so many pages, over three streams at most."""

        def told() -> bool:
            with self.running.instance.database():
                pages = Connection.objects.aggregate(sum=Sum("pages"))["sum"] or 0
                return bool(pages == count and Connection.objects.count() == min(count, 3))

        wait_for(told, timeout, f"three streams feed {count} pages", self.roles)

    def publish(self, count: int = 3) -> None:
        """Publish events of every kind of page."""
        with self.running.instance.database(), transaction.atomic():
            for _ in range(count):
                publish("connection", "test", {"test": True, "by": "a test"})
                publish("service", KEY, {"needs_restart": False})

    def expect_everything_once(self, timeout: float = 10) -> None:
        """Wait until each page has had every event of its topics; fail where one came twice or too early."""
        with self.running.instance.database():
            log = list(Event.objects.order_by("id").values_list("topic", "id"))
        for page in self.pages:
            topics = page.evaluate("medimgr.client.topics")
            due = [[topic, number] for topic, number in log if topic in topics and number > self.since[page]]
            _wait_for_all(page, due, timeout)


def _wait_for_all(page: Page, due: list[list[object]], timeout: float) -> None:
    had: list[list[object]] = []

    def complete() -> bool:
        had[:] = page.evaluate("window.had")
        return len(had) >= len(due) or had != due[: len(had)]

    wait_for(complete, timeout, f"{page.url} has had all events", lambda: f"{had}\nof {due}")
    assert had[: len(due)] == due


@pytest.fixture
def host() -> str:
    """The name under which the browser reaches medimgr: one that it trusts, unless a test says otherwise."""
    return "127.0.0.1"


@pytest.fixture
def tabs(browser: Browser, breakable: RunningMedimgr, host: str) -> Iterator[Tabs]:
    """A browser of its own, logged in as the administrator."""
    options = launch_options()
    arguments = [*options["args"], f"--host-resolver-rules=MAP {LAN_NAME} 127.0.0.1"]
    own = browser.browser_type.launch(**{**options, "args": arguments})
    context = own.new_context(
        base_url=f"http://{host}:{breakable.port}", viewport={"width": 1280, "height": 800}
    )
    faults = watch_for_faults(context)
    page = context.new_page()
    log_in_page(page)
    page.wait_for_url("**/monitoring/")
    assert page.evaluate("isSecureContext") == (host == "127.0.0.1")
    page.close()
    yield Tabs(context, breakable)
    own.close()
    assert [fault for fault in faults if not re.search(EXPECTED, fault)] == []
    expect_connections(breakable, [], timeout=5)


@pytest.mark.parametrize("host", [LAN_NAME])
def test_ten_tabs_are_live_over_three_streams_whoever_is_closed(tabs: Tabs) -> None:
    for path in TEN:
        tabs.open(path)
    tabs.expect_pages(10, 2)
    assert len(tabs.hosts()) == 3
    began = time.monotonic()
    tabs.publish()
    tabs.expect_everything_once(timeout=2)
    assert time.monotonic() - began < 2

    # The site still answers: a page, and an action by a guest, which all ten show.
    began = time.monotonic()
    another = tabs.context.new_page()
    another.goto("/admin/")
    assert time.monotonic() - began < 2
    another.close()
    guest = next(page for page in reversed(tabs.pages) if page.url.endswith(SERVICES))
    assert guest not in tabs.hosts()
    old = tabs.running.service(KEY)["pid"]
    answer = guest.evaluate(
        f"medimgr.api.act('{KEY}', 'restart', {{}}).then((answer) => answer.operation.kind)"
    )
    assert "restart" in answer
    new = tabs.running.instance.wait_for(
        lambda: (pid := tabs.running.service(KEY)["pid"]) != old and pid, 20, "it has been restarted"
    )
    for page in tabs.pages:
        place = f'tr[data-service="{KEY}"]' if page.url.endswith(SERVICES) else "#service"
        if page.url.endswith((SERVICES, SERVICE)):
            pid = page.locator(f'{place} [data-field="pid"]').first
            expect(pid).to_have_text(str(new), timeout=2000)

    # Closed in any order, the hosts first: their guests go on from the last event that they have had.
    for from_the_hosts in (True, True, False, True):
        tabs.publish()
        tabs.close(tabs.hosts()[0] if from_the_hosts else tabs.pages[-1])
        tabs.publish()
        tabs.expect_pages(len(tabs.pages), 5)
    tabs.expect_all_live()
    tabs.expect_everything_once()

    # A host that crashes does not say goodbye.
    host = tabs.hosts()[0]
    tabs.pages.remove(host)
    with pytest.raises(Error, match="crash"):
        host.goto("chrome://crash")
    tabs.publish()
    tabs.expect_pages(5, 10)
    tabs.expect_all_live()
    tabs.expect_everything_once()

    # The web worker is killed: no goodbye at all.
    for page in tabs.pages:
        page.evaluate("window.lost = false")
    kill_9(tabs.running.service("medimgr-web-1")["pid"])
    tabs.publish()
    for page in tabs.pages:
        page.wait_for_function("() => window.lost", timeout=PATIENCE_MS)
    tabs.expect_all_live()
    tabs.expect_pages(5, 10)
    tabs.expect_everything_once()


def test_somebody_who_ends_a_connection_ends_it_for_all_pages_that_it_feeds(tabs: Tabs) -> None:
    for _ in range(5):
        tabs.open(SERVICES)
    tabs.expect_pages(5, 2)
    with tabs.running.instance.database():
        (row,) = Connection.objects.order_by("-pages", "pk")[:1]
    tabs.running.client.post(f"/api/events/connections/{row.pk}/kick").raise_for_status()
    refused: list[Page] = []

    def told() -> bool:
        refused[:] = [page for page in tabs.pages if state(page) == "refused"]
        return len(refused) == row.pages

    wait_for(told, 5, f"{row.pages} pages say that their connection was ended", tabs.roles)
    for page in refused:
        expect(page.locator("#stale-banner")).to_contain_text("Somebody ended this page's connection.")
    tabs.expect_pages(5 - row.pages, 5)  # the others stay as they are, and nobody comes back by himself
    for page in refused:
        page.get_by_role("button", name="Reconnect now").click()
        expect_link(page, "live")
    tabs.expect_pages(5, 5)
    tabs.publish()
    tabs.expect_everything_once()


def test_a_logout_ends_all_and_the_next_account_shares_nothing_with_them(tabs: Tabs) -> None:
    for _ in range(5):
        tabs.open(SERVICES)
    tabs.expect_pages(5, 2)
    last = tabs.pages.pop()
    last.get_by_role("button", name="Log out").click()
    last.wait_for_url("**/login/**")
    for page in tabs.pages:
        expect_link(page, "ended", timeout=5000)
        expect(page.locator("#link-text")).to_have_text("Logged out")
    expect_connections(tabs.running, [], timeout=2)

    account(tabs.running, "deputy", is_staff=True, is_superuser=True)
    log_in_page(last, "deputy")
    before = [page.evaluate("window.had.length") for page in tabs.pages]
    others = Tabs(tabs.context, tabs.running)
    for _ in range(4):
        others.open(SERVICES)
    last.close()
    others.expect_pages(4, 5)
    others.publish()
    others.expect_everything_once()
    assert [page.evaluate("window.had.length") for page in tabs.pages] == before
    assert {state(page) for page in tabs.pages} == {"ended"}


def state(page: Page) -> str:
    """Return what the page says about its link."""
    found: str = page.evaluate("medimgr.client.link.state")
    return found


def test_a_guest_does_not_depend_on_its_host(tabs: Tabs) -> None:
    for path in (SERVICES, SERVICES, OPERATIONS, SERVICE):
        tabs.open(path)
    guest = tabs.pages[-1]
    host = _host_of(guest, tabs)
    expect(guest.locator("#link-state")).to_have_attribute("title", re.compile("connection of another tab"))
    lines = guest.locator("#log-lines > div")  # which no stream brings to it
    expect(lines.first).to_be_visible()

    # One that forgets it, as after an answer that came too late.
    host.evaluate("medimgr.client.share.guests.clear()")
    tabs.publish()
    tabs.expect_everything_once()
    tabs.expect_pages(4, 5)

    # One that hangs for a while, and finds its place taken.
    host = _host_of(guest, tabs)
    host.evaluate(HANG, 7000)
    tabs.publish()
    guest.wait_for_function("() => medimgr.client.share.isHost", timeout=PATIENCE_MS)
    tabs.pages.remove(host)
    tabs.expect_everything_once()
    tabs.pages.append(host)
    tabs.publish()
    tabs.expect_everything_once()
    tabs.expect_pages(4, 5)
    assert len(tabs.hosts()) == 3
    tabs.expect_all_live()


def _host_of(guest: Page, tabs: Tabs) -> Page:
    """Return the tab whose stream the guest shares."""
    name = guest.evaluate("medimgr.client.share.host")
    (found,) = [page for page in tabs.pages if page.evaluate("medimgr.client.share.tabs.id") == name]
    return found
