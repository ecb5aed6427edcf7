"""Takes the pictures of the documentation from a running page; ``script/screenshot`` calls it.

Starts medimgr with the demo services and a simulated fleet in a temporary directory, logs in, waits until
the pages are live and their sparklines have something to show, and writes ``docs/images``.
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
LIGHT: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"}
DARK: dict[str, Any] = {**LIGHT, "color_scheme": "dark"}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
PICTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "services": ("/monitoring/", LIGHT),
    "services-dark": ("/monitoring/", DARK),
    "services-phone": ("/monitoring/", PHONE),
    "workstations": ("/workstations/", LIGHT),
    "workstations-dark": ("/workstations/", DARK),
}
FLEET = {
    "hall-1-01": {"Till 1": True, "Till 2": True, "Till 3": True, "Label printer": False, "Training": False},
    "hall-1-02": {"Till 4": True, "Till 5": True, "Till 6": True, "Stock": True},
    "hall-2-01": {"Signs north": True, "Signs south": True, "Signs east": False, "Signs west": True},
    "office": {"Test of the next version": True, "Spare": False},
}
"""Of each simulated workstation its emulators, and which of them run."""


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
    from medimgr.lib.sealing import new_key
    from tests.e2e.conftest import start_demo, stop_demo
    from tests.e2e.fleet import declare
    from tests.workstations.peer import Instance, Peer

    key = new_key()
    with tempfile.TemporaryDirectory(prefix="medimgr-screenshot-") as directory, Peer() as peer:
        own_ports = None if options.free_ports else ROOT / "monitoring/demo/services.toml"
        variables = {"MEDIMGR_NODE": "control-room", "MEDIMGR_ENCRYPTION_KEYS": key}
        running = start_demo(Path(directory), own_ports, **variables)
        try:
            for name, titles in FLEET.items():
                instances = [Instance.running(one) if runs else Instance(one) for one, runs in titles.items()]
                machine = peer.machine(name, instances=instances)
                declare(running, key, machine, polled=True, tags=[name.rpartition("-")[0] or name])
            photograph(running.url, options.seconds)
        finally:
            stop_demo(running)


def photograph(url: str, seconds: float) -> None:
    """Open a page for each picture, let them fill for ``seconds``, and write the pictures."""
    from playwright.sync_api import expect, sync_playwright

    from tests.browser import launch_options
    from tests.e2e.conftest import ADMIN, PASSWORD

    IMAGES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**launch_options())
        pages = {}
        for name, (path, look) in PICTURES.items():
            page = browser.new_context(base_url=url, locale="en-GB", **look).new_page()
            page.goto(f"/login/?next={path}")
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
