"""A page comes back to a server that restarts when it was told to, and to one that died when chance says."""

import os
import signal
import time
from typing import Any

from playwright.sync_api import BrowserContext, Page

from tests.e2e.conftest import RunningMedimgr
from tests.e2e.watching import PATIENCE_MS, expect_link, open_services

# Notes when the page was told to come back, and when it did.
RECORD = """() => {
  window.noted = { told: null, retryAt: null, back: null };
  medimgr.client.on("link", ({ state, retryAt }) => {
    const { noted } = window;
    if (noted.told === null && retryAt !== null) Object.assign(noted, { told: Date.now(), retryAt });
    if (noted.told !== null && noted.back === null && state === "connecting") noted.back = Date.now();
  });
}"""
# The client's own way of waiting after a failure, without a server and without the waiting.
WAITS = """(failures) => {
  const waits = [];
  for (let number = 0; number < 500; number += 1) {
    const client = new medimgr.EventClient({ url: "/nowhere/", topics: [] });
    client.failures = failures;
    client.retryLater();
    waits.push(client.link.retryAt - Date.now());
    client.close();
  }
  return waits;
}"""


def test_pages_come_back_when_the_server_that_ends_tells_each_of_them(
    breakable: RunningMedimgr, breakable_context: BrowserContext
) -> None:
    pages = [breakable_context.new_page() for _ in range(3)]
    for page in pages:
        open_services(page)
        page.evaluate(RECORD)
    ended = time.time()
    os.kill(breakable.service("medimgr-web-1")["pid"], signal.SIGTERM)
    waits = []
    for page in pages:
        noted = _noted(page)
        assert noted["told"] / 1000 - ended < 5
        waits.append(noted["retryAt"] - noted["told"])
        assert 0 <= noted["back"] - noted["retryAt"] < 1000, "neither earlier nor much later"
    assert all(950 <= wait <= 5050 for wait in waits), waits
    assert len(set(waits)) == 3
    for page in pages:
        expect_link(page, "live")


def test_pages_of_a_server_that_died_wait_longer_each_time_and_not_all_the_same(page: Page) -> None:
    open_services(page)
    for failures, least, most in ((0, 500, 1500), (1, 1000, 3000), (4, 8000, 24_000), (20, 10_000, 30_000)):
        waits = page.evaluate(WAITS, failures)
        assert min(waits) >= least - 50
        assert max(waits) <= most
        step = (most - least) / 10
        tenths = [sum(least + step * n <= wait < least + step * (n + 1) for wait in waits) for n in range(10)]
        assert max(tenths) < 100, "of 500, not even a fifth comes back together"
        assert min(tenths) > 15


def _noted(page: Page) -> dict[str, Any]:
    page.wait_for_function("() => window.noted.back !== null", timeout=PATIENCE_MS)
    noted: dict[str, Any] = page.evaluate("window.noted")
    return noted
