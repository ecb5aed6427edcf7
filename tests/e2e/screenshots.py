"""Takes the pictures of the documentation from a running page; ``script/screenshot`` calls it.

Starts medimgr with the demo services in a temporary directory, logs in, waits until the page is live
and its sparklines have something to show, and writes ``docs/images``.
"""

import argparse
import logging
import os
import tempfile
from pathlib import Path
from typing import Any

import django

from tests.running import ROOT, accepts_connections

IMAGES = ROOT / "docs/images"
DEMO_PORTS = range(8101, 8108)
VARIANTS: dict[str, dict[str, Any]] = {
    "services": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"},
    "services-dark": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "dark"},
    "services-phone": {
        "viewport": {"width": 390, "height": 844},
        "device_scale_factor": 2,
        "is_mobile": True,
        "has_touch": True,
    },
}


def main() -> None:
    """Start, look, write, end."""
    parser = argparse.ArgumentParser(prog="script/screenshot", description=__doc__)
    parser.add_argument("--seconds", type=float, default=45, help="how long the sparklines fill (default 45)")
    parser.add_argument("--free-ports", action="store_true", help="do not use the demo's own ports")
    options = parser.parse_args()
    taken = [port for port in DEMO_PORTS if accepts_connections(port)]
    if taken and not options.free_ports:
        raise SystemExit(f"The demo's ports {taken} are in use. Stop what runs there, or add --free-ports.")
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    django.setup()
    logging.getLogger("httpx").setLevel(logging.WARNING)
    from tests.e2e.conftest import start_demo, stop_demo

    with tempfile.TemporaryDirectory(prefix="medimgr-screenshot-") as directory:
        own_ports = None if options.free_ports else ROOT / "monitoring/demo/services.toml"
        running = start_demo(Path(directory), own_ports, MEDIMGR_NODE="control-room")
        try:
            photograph(running.url, options.seconds)
        finally:
            stop_demo(running)


def photograph(url: str, seconds: float) -> None:
    """Open one page per variant, let them fill for ``seconds``, and write the pictures."""
    from playwright.sync_api import expect, sync_playwright

    from tests.browser import launch_options
    from tests.e2e.conftest import ADMIN, PASSWORD

    IMAGES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**launch_options())
        pages = {}
        for name, variant in VARIANTS.items():
            page = browser.new_context(base_url=url, locale="en-GB", **variant).new_page()
            page.goto("/login/?next=/monitoring/")
            page.get_by_label("User name").fill(ADMIN)
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("button", name="Log in").click()
            expect(page.locator("#link-state")).to_have_attribute("data-state", "live", timeout=15_000)
            pages[name] = page
        next(iter(pages.values())).wait_for_timeout(seconds * 1000)
        for name, page in pages.items():
            page.evaluate("window.scrollTo(0, 0)")
            page.screenshot(path=IMAGES / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main()
