"""Who may look and not touch sees everything, and learns from each button why it does nothing."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import RunningMedimgr, cookies_of, watch_for_faults
from tests.e2e.watching import (
    account,
    cell,
    dialog,
    expect_state,
    new_context,
    open_service,
    open_services,
    row,
)

VERBS = ("start", "stop", "restart")
KEY = "backend"


@pytest.fixture(scope="module")
def viewer(browser: Browser, running: RunningMedimgr) -> Iterator[Page]:
    """The services page of somebody with the permissions to view."""
    user = account(running, "bob", is_staff=True)
    with running.instance.database():
        user.user_permissions.set(
            Permission.objects.filter(
                content_type__app_label__in=["monitoring", "operations", "events"],
                codename__startswith="view_",
            )
        )
    context = new_context(browser, running, cookies_of(browser, running, "bob"))
    faults = watch_for_faults(context)
    yield context.new_page()
    context.close()
    assert faults == []


def test_a_viewer_sees_the_services_live(viewer: Page, running: RunningMedimgr) -> None:
    open_services(viewer)
    for key in running.pids():
        expect_state(viewer, key, "RUNNING")
    expect(viewer.locator("#health-sentence")).to_have_text("All 9 services are running.")
    expect(cell(viewer, KEY, "cpu")).not_to_have_text("–")


def test_a_viewer_s_buttons_say_which_permission_is_missing(viewer: Page) -> None:
    open_services(viewer)
    for verb in VERBS:
        button = row(viewer, KEY).locator(f'[data-action="{verb}"]')
        expect(button).to_have_attribute("aria-disabled", "true")
        expect(button).to_have_attribute(
            "title",
            f"Your account lacks the permission monitoring.{verb}_service. Ask an administrator for it.",
        )
        expect(viewer.locator(f'[data-all="{verb}"]')).to_have_attribute("aria-disabled", "true")
    row(viewer, KEY).locator('[data-action="stop"]').click(force=True)
    expect(viewer.locator(".notice")).to_contain_text("monitoring.stop_service")
    expect(dialog(viewer)).to_be_hidden()


def test_a_viewer_s_service_page_shows_all_but_the_log(viewer: Page) -> None:
    open_service(viewer, KEY)
    expect(viewer.locator("#history li").first).to_be_visible()
    expect(viewer.locator("main")).to_contain_text("lacks the permission monitoring.tail_service")
    expect(viewer.locator("#log-lines")).to_have_count(0)
    expect(viewer.get_by_role("switch")).to_have_attribute("aria-disabled", "true")
    expect(viewer.get_by_role("link", name="Change in the admin")).to_have_count(0)


def test_a_viewer_who_posts_by_hand_is_refused(viewer: Page, running: RunningMedimgr) -> None:
    open_services(viewer)
    pids = running.pids()
    for path, body in (
        (f"/api/services/{KEY}/stop", "{}"),
        (f"/api/services/{KEY}/restart", "{}"),
        (f"/api/services/{KEY}/auto-recovery", '{"enabled": false}'),
        ("/api/services/batch", '{"action": "stop", "services": ["backend"]}'),
    ):
        assert answer_to_a_post(viewer, path, body) == [403, "not-permitted"]
    assert running.pids() == pids
    assert running.client.get("/api/operations?requested_by=bob").json()["count"] == 0


def answer_to_a_post(page: Page, path: str, body: str) -> list[Any]:
    """Return status and code of what the API answers to the page's own session and token."""
    answer: list[Any] = page.evaluate(
        """async ([path, body]) => {
            const csrf = document.cookie.match(/csrftoken=([^;]+)/)[1];
            const headers = { "X-CSRFToken": csrf, "Content-Type": "application/json" };
            const response = await fetch(path, { method: "POST", headers, body });
            return [response.status, (await response.json()).code];
        }""",
        [path, body],
    )
    return answer
