"""What browser tests look at on the pages, under the names that people use."""

import os
import re
import signal
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psutil
from django.contrib.auth.models import User
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from medimgr.events.models import Connection
from monitoring.models import Service
from tests.browser import launch_options
from tests.e2e.conftest import ADMIN, RunningMedimgr
from tests.factories import make_service
from tests.running import wait_for

PATIENCE_MS = 20_000
"""For what a supervisor has to do first, on a busy machine."""

# Notes every state that a row shows, however shortly, and what its line of progress says.
_NOTE_STATES = """(row) => {
  const seen = { states: [row.dataset.state], progress: [] };
  window.seenStates = window.seenStates || {};
  window.seenStates[row.dataset.service] = seen;
  new MutationObserver(() => {
    if (seen.states.at(-1) !== row.dataset.state) seen.states.push(row.dataset.state);
    const text = row.querySelector('[data-field="progress"]').textContent;
    if (seen.progress.at(-1) !== text) seen.progress.push(text);
  }).observe(row, { attributes: true, childList: true, subtree: true, characterData: true });
}"""


def open_services(page: Page, query: str = "") -> None:
    """Open the services page and wait until it is live."""
    page.goto(f"/monitoring/{query}")
    expect_link(page, "live")


def open_service(page: Page, key: str) -> None:
    """Open one service's page and wait until it is live."""
    page.goto(f"/monitoring/services/{key}/")
    expect_link(page, "live")


def expect_link(page: Page, state: str, timeout: float = PATIENCE_MS) -> None:
    """Wait until the page says that about its stream: live, reconnecting, stale, ended."""
    expect(page.locator("#link-state")).to_have_attribute("data-state", state, timeout=timeout)


def row(page: Page, key: str) -> Locator:
    """Return the row of a service."""
    return page.locator(f'tr[data-service="{key}"]')


def cell(page: Page, key: str, field: str) -> Locator:
    """Return a text in a service's row."""
    return row(page, key).locator(f'[data-field="{field}"]')


def expect_state(page: Page, key: str, state: str, timeout: float = PATIENCE_MS) -> None:
    """Wait until the row shows the state, as attribute and as word."""
    expect(row(page, key)).to_have_attribute("data-state", state, timeout=timeout)
    expect(cell(page, key, "state")).to_have_text(state.capitalize())


def expect_another_pid(page: Page, key: str, old: int | str) -> str:
    """Wait until the row shows RUNNING with another pid than ``old``; return it."""
    expect(cell(page, key, "pid")).to_have_text(re.compile(rf"^(?!{old}$)\d+$"), timeout=PATIENCE_MS)
    expect_state(page, key, "RUNNING")
    return cell(page, key, "pid").inner_text()


def note_states(page: Page, key: str) -> Callable[[], dict[str, list[str]]]:
    """Begin to note what the row shows; the result returns {states, progress} as seen so far."""
    row(page, key).evaluate(_NOTE_STATES)

    def seen() -> dict[str, list[str]]:
        noted: dict[str, list[str]] = page.evaluate("(key) => window.seenStates[key]", key)
        return noted

    return seen


def press(page: Page, key: str, action: str) -> None:
    """Press a button in the row of a service."""
    row(page, key).locator(f'[data-action="{action}"]').click()


def dialog(page: Page) -> Locator:
    """Return the dialog that asks before something is ended."""
    return page.locator("#confirm")


def confirm(page: Page, reason: str = "") -> None:
    """Confirm what the open dialog asks."""
    expect(dialog(page)).to_be_visible()
    if reason:
        page.locator("#confirm-reason").fill(reason)
    page.locator("#confirm-yes").click()
    expect(dialog(page)).to_be_hidden()


def mark(page: Page) -> None:
    """Leave a mark in the page that only a reload removes."""
    page.evaluate("window.notReloaded = true")


def assert_not_reloaded(page: Page) -> None:
    """Fail where the page was loaded anew since :func:`mark`."""
    assert page.evaluate("window.notReloaded === true")


def order(page: Page) -> list[str]:
    """Return the keys of the rows from top to bottom, hidden ones included."""
    rows = "rows => rows.map(row => row.dataset.service)"
    keys: list[str] = page.eval_on_selector_all("tr.service", rows)
    return keys


# --- behind the page's back ------------------------------------------------------------------------


@contextmanager
def declared(running: RunningMedimgr, key: str, **fields: Any) -> Iterator[Service]:
    """Declare a service besides the demo's; it is deleted, and has ended, when the block ends."""
    with running.instance.database():
        service = make_service(key, **fields)
        try:
            yield service
        finally:
            Service.objects.filter(pk=service.pk).first() and service.delete()
            running.instance.wait_for(
                lambda: not _processes_of(running, key), 20, f"the processes of {key} have ended"
            )


def _processes_of(running: RunningMedimgr, key: str) -> list[psutil.Process]:
    found = []
    for process in running.instance.living():
        try:
            if process.environ().get("MEDIMGR_SERVICE") == key:
                found.append(process)
        except psutil.Error:
            continue
    return found


def account(running: RunningMedimgr, username: str, **fields: Any) -> User:
    """Make an account with the administrator's password."""
    with running.instance.database():
        # Copied, since the tests' own way of hashing is not the server's.
        return User.objects.create(
            username=username, password=User.objects.get(username=ADMIN).password, **fields
        )


def connections(running: RunningMedimgr) -> list[str]:
    """Return the pages that the open connections feed, by the API that the monitor uses."""
    stats = running.client.get("/api/events/stats").raise_for_status().json()
    assert stats["total"] == len(stats["connections"])
    return sorted(connection["page"] for connection in stats["connections"])


def expect_connections(running: RunningMedimgr, pages: Sequence[str], timeout: float = 5.0) -> None:
    """Wait until exactly these pages hold a connection each, and no other."""
    found: list[str] = []

    def exactly() -> bool:
        found[:] = connections(running)
        return found == sorted(pages)

    try:
        wait_for(exactly, timeout, f"connections are exactly {sorted(pages)}")
    except AssertionError as error:
        raise AssertionError(f"{error}It is {found}. {running.instance.outputs()}") from None


def connection_rows(running: RunningMedimgr) -> list[Connection]:
    """Return the rows of the connections, as the database has them."""
    with running.instance.database():
        return list(Connection.objects.select_related("user", "worker"))


def kill_9(pid: int) -> None:
    """Kill one process as a crash or an operator would."""
    os.kill(pid, signal.SIGKILL)


def own_browser(browser: Browser) -> tuple[Browser, psutil.Process]:
    """Start another browser; return it and its main process, to be killed."""
    marker = f"--medimgr-test={uuid.uuid4().hex}"
    options = launch_options()
    started = browser.browser_type.launch(**{**options, "args": [*options["args"], marker]})
    for process in psutil.process_iter():
        try:
            command = process.cmdline()
        except psutil.Error:
            continue
        if marker in command and not any(part.startswith("--type=") for part in command):
            return started, process
    raise AssertionError("The browser that was started is not among the processes.")


def new_context(browser: Browser, running: RunningMedimgr, login: Any, **options: Any) -> BrowserContext:
    """Return a fresh context that is logged in as ``login`` says."""
    options = {"viewport": {"width": 1280, "height": 800}, **options}
    return browser.new_context(base_url=running.url, storage_state=login, **options)
