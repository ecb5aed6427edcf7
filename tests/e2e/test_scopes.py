"""Who is limited to a group and may look at the rest learns from each button why it does nothing there."""

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import Group
from playwright.sync_api import Browser, Page, expect

from medimgr.accounts.models import AccountScope
from monitoring.models import Service
from tests.e2e.conftest import RunningMedimgr, cookies_of, watch_for_faults
from tests.e2e.watching import account, new_context, open_service, open_services, row

NEAR, FAR = "backend", "frontend"


@pytest.fixture(scope="module")
def groups(running: RunningMedimgr) -> Iterator[None]:
    """Put NEAR into a group of its own, and back."""
    with running.instance.database():
        service = Service.objects.get(key=NEAR)
        before, service.group = service.group, "mine"
        service.save()
    yield
    with running.instance.database():
        service = Service.objects.get(key=NEAR)
        service.group = before
        service.save()


@pytest.fixture(scope="module")
def looking(browser: Browser, running: RunningMedimgr, groups: None) -> Iterator[Page]:
    """The page of an operator who is limited to a group that is NEAR's alone, and sees the rest."""
    user = account(running, "looking", is_staff=True)
    with running.instance.database():
        user.groups.add(Group.objects.get(name="operator"))
        AccountScope.objects.create(user=user, service_groups=["Mine"], sees_everything=True)
    context = new_context(browser, running, cookies_of(browser, running, "looking"))
    faults = watch_for_faults(context)
    yield context.new_page()
    context.close()
    assert faults == []


def test_who_may_look_at_the_rest_learns_why_he_can_do_nothing_to_it(looking: Page) -> None:
    open_services(looking)
    beyond = "It is out of the reach of your account, which is limited to certain groups and tags."
    expect(row(looking, FAR).locator('[data-action="restart"]')).to_have_attribute("title", beyond)
    expect(row(looking, NEAR).locator('[data-action="restart"]')).not_to_have_attribute(
        "aria-disabled", "true"
    )
    open_service(looking, FAR)
    expect(looking.locator('[data-action="stop"]').first).to_have_attribute("title", beyond)
    expect(looking.locator("#log")).to_have_count(0)
