"""What holds for every page: nothing on the console, nothing asked of strangers, nothing that is missing."""

import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request, Response, expect

from monitoring.models import Service
from tests.e2e.conftest import RunningMedimgr
from tests.e2e.watching import expect_link

KEY = "backend"
LIVE = [
    "/monitoring/",
    f"/monitoring/services/{KEY}/",
    "/monitoring/connections/",
    "/workstations/",
    "/operations/",
    "/operations/chores/",
    "OPERATION",
]
ADMIN = [
    "/admin/",
    "/admin/monitoring/service/",
    "CHANGE",
    "/admin/monitoring/run/",
    "/admin/monitoring/transition/",
    "/admin/operations/operation/",
    "/admin/events/event/",
    "/admin/events/connection/",
]


@pytest.fixture(scope="module")
def places(running: RunningMedimgr) -> dict[str, str]:
    """Return the addresses that hold an id."""
    operation = running.client.post(f"/api/services/{KEY}/start", json={}).json()["operation"]
    with running.instance.database():
        service = Service.objects.get(key=KEY)
    return {
        "OPERATION": operation["url"],
        "CHANGE": f"/admin/monitoring/service/{service.pk}/change/",
    }


@pytest.fixture
def noise(page: Page, running: RunningMedimgr) -> list[str]:
    """What a page should not do, as it does it."""
    heard: list[str] = []

    def said(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            heard.append(f"{message.type}: {message.text}")

    def failed(request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # a stream ends so where its page goes
            heard.append(f"{request.url}: {request.failure}")

    def answered(response: Response) -> None:
        if not response.url.startswith(running.url):
            heard.append(f"asked a stranger: {response.url}")
        elif response.status >= 400:
            heard.append(f"{response.status} {response.url}")

    page.on("console", said)
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("requestfailed", failed)
    page.on("response", answered)
    return heard


def test_no_live_page_makes_noise(page: Page, noise: list[str], places: dict[str, str]) -> None:
    for path in LIVE:
        page.goto(places.get(path, path))
        expect_link(page, "live")
        expect(page.locator("#connection-count")).to_have_text("1")
        assert noise == [], path


def test_no_page_of_the_admin_makes_noise(page: Page, noise: list[str], places: dict[str, str]) -> None:
    for path in ADMIN:
        page.goto(places.get(path, path))
        expect(page.locator("#content h1")).to_be_visible()
        assert noise == [], path


def test_the_docs_of_the_api_make_no_noise(page: Page, noise: list[str]) -> None:
    page.goto("/api/docs")
    expect(page.locator(".opblock").first).to_be_visible()
    assert noise == []


def test_what_does_not_exist_is_said_on_a_page_of_ours(page: Page, noise: list[str]) -> None:
    page.goto("/monitoring/services/no-such-service/")
    expect(page.locator("h1")).to_have_text("Not found")
    assert [line for line in noise if "404" not in line] == []


def test_the_login_makes_no_noise(page: Page, context: BrowserContext, noise: list[str]) -> None:
    context.clear_cookies()
    response = page.goto("/login/")
    assert response is not None
    assert response.status == 200
    assert noise == []
    policy = response.headers["content-security-policy"]
    assert "unsafe-inline" not in policy
    assert "unsafe-eval" not in policy
