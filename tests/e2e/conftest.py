"""A running medimgr with the seven demo services, and a real Chromium that is logged in to it.

One for the whole run: starting it takes seconds. A test that breaks the installation (kills the
supervisor) has to mend it, or to start one of its own with ``start_demo``.
"""

import logging
import os
import re
import signal
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request
from pytest_django import DjangoDbBlocker

from tests.browser import launch_options
from tests.running import ROOT, Instance, RunningProcess, free_port, log_in

# Playwright keeps an event loop in the tests' thread; Django would take that for an async view.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
# A line for each look behind the page's back says nothing.
logging.getLogger("httpx").setLevel(logging.WARNING)

ADMIN = "admin"
PASSWORD = "a password for e2e tests"
LAN_NAME = "medimgr.lan"
"""A name that a browser of a test finds on loopback, and does not trust as it trusts loopback itself."""
HERE = Path(__file__).parent


@dataclass
class RunningMedimgr:
    """``manage.py up`` with demo services on ports of their own."""

    instance: Instance
    port: int
    services: Path
    """The TOML file that was imported."""
    up: RunningProcess
    client: httpx.Client
    """Logged in as the administrator, for looking behind the page's back."""

    @property
    def url(self) -> str:
        """Return the address to open."""
        return f"http://127.0.0.1:{self.port}"

    def service(self, key: str) -> dict[str, Any]:
        """Return what the API says about one service."""
        answer = self.client.get(f"/api/services/{key}")
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def pids(self) -> dict[str, int | None]:
        """Return the pids of the demo services, by key."""
        items = self.client.get("/api/services").raise_for_status().json()["items"]
        return {item["key"]: item["pid"] for item in items if not item["builtin"]}

    def states(self) -> dict[str, str]:
        """Return the states of the demo services, by key."""
        items = self.client.get("/api/services").raise_for_status().json()["items"]
        return {item["key"]: item["state"] for item in items if not item["builtin"]}

    def wait_until_all_run(self, timeout: float = 40.0) -> None:
        """Wait until all demo services are RUNNING."""
        self.instance.wait_for(
            lambda: set(self.states().values()) == {"RUNNING"}, timeout, "all demo services run"
        )

    def start_up(self, *arguments: str) -> None:
        """Start ``manage.py up`` (again) and wait until it is ready."""
        self.up = start_up(self.instance, self.port, *arguments)


def start_up(instance: Instance, port: int, *arguments: str) -> RunningProcess:
    """Start ``manage.py up`` and wait until it is ready."""
    up = instance.start("up", "--bind", f"127.0.0.1:{port}", *arguments)
    url = f"http://127.0.0.1:{port}/readyz"
    instance.wait_for(lambda: answers(url) or not up.alive, 30, "the server is ready")
    assert up.alive, up.output()
    return up


def answers(url: str) -> bool:
    """Return whether a GET of ``url`` succeeds."""
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.TransportError:
        return False


def demo_on_free_ports(directory: Path) -> Path:
    """Write the demo's TOML with every port replaced by a free one."""
    text = (ROOT / "monitoring/demo/services.toml").read_text(encoding="utf-8")
    for port in sorted(set(re.findall(r"^ports = \[(\d+)\]", text, flags=re.MULTILINE))):
        text = re.sub(rf"\b{port}\b", str(free_port()), text)
    path = directory / "services.toml"
    path.write_text(text, encoding="utf-8")
    return path


def start_demo(directory: Path, services: Path | None = None, **variables: str) -> RunningMedimgr:
    """Start an installation with the services of a TOML file, by default the demo's on free ports.

    ``variables`` are further environment variables. The caller ends it with ``stop_demo``.
    """
    instance = Instance(
        directory,
        DJANGO_SUPERUSER_USERNAME=ADMIN,
        DJANGO_SUPERUSER_PASSWORD=PASSWORD,
        MEDIMGR_STREAM_MAX_PER_ADDRESS="100",
        **variables,
    )
    services = services or demo_on_free_ports(directory)
    for command in (("create_first_admin",), ("services", "import", str(services))):
        done = instance.manage(*command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    try:
        port = free_port()
        up = start_up(instance, port)
        client = log_in(f"http://127.0.0.1:{port}", ADMIN, PASSWORD)
        started = RunningMedimgr(instance, port, services, up, client)
        started.wait_until_all_run()
    except BaseException:
        instance.close()
        raise
    return started


def stop_demo(started: RunningMedimgr) -> None:
    """End the installation, the clean way first."""
    started.client.close()
    if started.up.alive:
        started.up.signal(signal.SIGTERM)
    started.instance.close()


@pytest.fixture(scope="session")
def running(
    tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker
) -> Iterator[RunningMedimgr]:
    """The installation that the browser tests share."""
    with django_db_blocker.unblock():
        started = start_demo(tmp_path_factory.mktemp("medimgr"))
        try:
            yield started
        finally:
            stop_demo(started)


@pytest.fixture(scope="session")
def breakable(
    tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker
) -> Iterator[RunningMedimgr]:
    """A second installation, whose processes tests kill and whose streams say something every second."""
    with django_db_blocker.unblock():
        started = start_demo(
            tmp_path_factory.mktemp("breakable"),
            MEDIMGR_STREAM_HEARTBEAT_SECONDS="1",
            DJANGO_ALLOWED_HOSTS=f"127.0.0.1,{LAN_NAME}",
        )
        try:
            yield started
        finally:
            stop_demo(started)


# --- the browser -----------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """Start the Chromium that script/test found."""
    return launch_options()


@pytest.fixture(scope="session")
def base_url(running: RunningMedimgr) -> str:
    """Let ``page.goto("/monitoring/")`` mean the running medimgr."""
    return running.url


def log_in_page(page: Page, username: str = ADMIN, password: str = PASSWORD, next_page: str = "") -> None:
    """Log in through the login page."""
    page.goto(f"/login/?next={next_page}" if next_page else "/login/")
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def cookies_of(browser: Browser, running: RunningMedimgr, username: str = ADMIN) -> dict[str, Any]:
    """Log in once, through the page, and return the cookies. The account's password is ``PASSWORD``."""
    context = browser.new_context(base_url=running.url)
    page = context.new_page()
    log_in_page(page, username)
    page.wait_for_url("**/monitoring/")
    state: dict[str, Any] = dict(context.storage_state())
    context.close()
    return state


@pytest.fixture(scope="session")
def logged_in(browser: Browser, running: RunningMedimgr) -> dict[str, Any]:
    """Return the cookies of the administrator in the shared installation."""
    return cookies_of(browser, running)


@pytest.fixture(scope="session")
def browser_context_args(
    browser_context_args: dict[str, Any], base_url: str, logged_in: dict[str, Any]
) -> dict[str, Any]:
    """Give every page the cookies of the login, and the size that the pages are made for."""
    return {
        **browser_context_args,
        "base_url": base_url,
        "storage_state": logged_in,
        "viewport": {"width": 1280, "height": 800},
    }


def watch_for_faults(context: BrowserContext) -> list[str]:
    """Return the list of what goes wrong in the pages of a context: it grows as it happens.

    Exceptions, errors on the console (a broken Content-Security-Policy is one), requests to other hosts.
    That a resource could not be loaded is none: tests break the server and ask for what is refused.
    """
    faults: list[str] = []

    def said(message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            faults.append(message.text)

    def asked(request: Request) -> None:
        if urlsplit(request.url).hostname not in ("127.0.0.1", None):
            faults.append(f"asked {request.url}")

    context.on("weberror", lambda error: faults.append(str(error.error)))
    context.on("console", said)
    context.on("request", asked)
    return faults


@pytest.fixture
def context(context: BrowserContext) -> Iterator[BrowserContext]:
    """Fail a test whose pages threw an exception, said an error or asked a foreign host."""
    faults = watch_for_faults(context)
    yield context
    assert faults == []


@pytest.fixture(scope="session")
def logged_in_to_breakable(browser: Browser, breakable: RunningMedimgr) -> dict[str, Any]:
    """Return the cookies of the administrator in the installation that tests break."""
    return cookies_of(browser, breakable)


@pytest.fixture
def breakable_context(
    browser: Browser, breakable: RunningMedimgr, logged_in_to_breakable: dict[str, Any]
) -> Iterator[BrowserContext]:
    """Return a browser that is logged in to the installation that tests break.

    A program of its own, since tests take its network away: that must not reach the pages of others.
    """
    cookies: Any = logged_in_to_breakable
    own = browser.browser_type.launch(**launch_options())
    context = own.new_context(
        base_url=breakable.url, storage_state=cookies, viewport={"width": 1280, "height": 800}
    )
    faults = watch_for_faults(context)
    yield context
    own.close()
    assert faults == []


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """A logged-in page."""
    return context.new_page()


# --- pytest's own hooks ----------------------------------------------------------------------------


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the browser tests and put them last: the event loop that Playwright leaves breaks async tests."""
    ours = [item for item in items if item.path.is_relative_to(HERE)]
    for item in ours:
        item.add_marker(pytest.mark.e2e)
    items[:] = [item for item in items if item not in ours] + ours


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what medimgr wrote beside a failed browser test."""
    report = yield
    for name in ("running", "breakable"):
        started = getattr(item, "funcargs", {}).get(name)
        if report.failed and isinstance(started, RunningMedimgr):
            log = started.instance.data_dir / "logs" / "medimgr-web-1.log"
            report.sections.append((f"medimgr, {name}", started.instance.outputs()))
            if log.exists():
                report.sections.append((f"web worker, {name}", log.read_text(errors="replace")[-4000:]))
    return report
