"""How the tests and script/screenshot start Chromium. ``python -m tests.browser`` tries it once.

``MEDIMGR_TEST_CHROMIUM`` names the program, and empty means Playwright's own. Where it is not set, one
on the PATH serves, if there is one.
"""

import os
import shutil
from typing import Any

from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--headless",
    "--no-sandbox",  # Chromium refuses to run as root otherwise
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def launch_options() -> dict[str, Any]:
    """Return the arguments for ``playwright.chromium.launch``."""
    program = os.environ.get("MEDIMGR_TEST_CHROMIUM")
    if program is None:
        program = next(filter(None, map(shutil.which, NAMES)), None)
    options: dict[str, Any] = {"args": FLAGS, "headless": True}
    return options | ({"executable_path": program} if program else {})


def main() -> None:
    """Start the browser and load a page; raises Playwright's error where that fails."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**launch_options())
        page = browser.new_page()
        page.set_content("<title>it starts</title>")
        if page.title() != "it starts":
            raise SystemExit("Chromium starts but shows no page.")
        browser.close()


if __name__ == "__main__":
    main()
