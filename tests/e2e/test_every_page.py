"""What holds for every page: nothing on the console, nothing asked of strangers, nothing that is missing."""

import pytest
from playwright.sync_api import BrowserContext, Page, Response, expect

from monitoring.models import Service
from tests.e2e.conftest import RunningMedimgr
from tests.e2e.watching import expect_link

KEY = "backend"
LIVE = [
    "/monitoring/",
    f"/monitoring/services/{KEY}/",
    "/monitoring/connections/",
    "/operations/",
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
OTHER = ["/api/docs", "/monitoring/services/no-such-service/"]


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


@pytest.mark.parametrize("path", [*LIVE, *ADMIN, *OTHER])
def test_a_page_makes_no_noise(
    page: Page, context: BrowserContext, running: RunningMedimgr, places: dict[str, str], path: str
) -> None:
    address = places.get(path, path)
    noise: list[str] = []
    page.on(
        "console",
        lambda said: noise.append(f"{said.type}: {said.text}") if said.type in ("error", "warning") else None,
    )
    page.on("pageerror", lambda error: noise.append(str(error)))
    page.on("requestfailed", lambda request: noise.append(f"{request.url}: {request.failure}"))

    def answered(response: Response) -> None:
        if not response.url.startswith(running.url):
            noise.append(f"asked a stranger: {response.url}")
        elif response.status >= 400 and "no-such-service" not in response.url:
            noise.append(f"{response.status} {response.url}")

    page.on("response", answered)
    page.goto(address)
    if path in LIVE:
        expect_link(page, "live")
        assert page.locator("h1").count() == 1
        assert page.evaluate("document.documentElement.lang") == "en"
        expect(page.locator("#connection-count")).to_have_text("1")
    else:
        page.wait_for_load_state("networkidle")
    if "no-such-service" in path:
        noise = [line for line in noise if "404" not in line]
    assert noise == []


def test_the_login_makes_no_noise(running: RunningMedimgr, page: Page, context: BrowserContext) -> None:
    noise: list[str] = []
    page.on("console", lambda said: noise.append(said.text))
    context.clear_cookies()
    response = page.goto("/login/")
    assert response is not None
    assert response.status == 200
    page.wait_for_load_state("networkidle")
    assert noise == []
    policy = response.headers["content-security-policy"]
    assert "unsafe-inline" not in policy
    assert "unsafe-eval" not in policy
