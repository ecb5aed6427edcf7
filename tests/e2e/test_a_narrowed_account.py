"""What an account may see changes while its pages are open: each loads itself anew and shows what is left."""

from django.contrib.auth.models import Permission
from playwright.sync_api import Browser, expect

from medimgr.accounts.models import AccountScope
from monitoring.models import Service
from tests.e2e.conftest import RunningMedimgr, cookies_of
from tests.e2e.watching import account, expect_link, new_context, open_services


def test_an_account_that_is_limited_meanwhile_sees_the_rest_alone_in_every_tab(
    browser: Browser, breakable: RunningMedimgr
) -> None:
    """The pages that have a stream as those that share it."""
    clerk = account(breakable, "clerk", is_staff=True)
    with breakable.instance.database():
        clerk.user_permissions.set(Permission.objects.filter(codename__in=["view_service", "view_node"]))
        group = Service.objects.exclude(group="").values_list("group", flat=True)[0]
        everything = set(Service.objects.values_list("key", flat=True))
        mine = set(Service.objects.filter(group=group).values_list("key", flat=True))
    assert mine < everything
    context = new_context(browser, breakable, cookies_of(browser, breakable, "clerk"))
    pages = [context.new_page() for _ in range(4)]
    for page in pages:
        open_services(page)
        expect(page.locator("tr[data-service]")).to_have_count(len(everything))
    with breakable.instance.database():
        AccountScope.objects.create(user=clerk, service_groups=[group])
    for page in pages:
        rows = page.locator("tr[data-service]")
        expect(rows).to_have_count(len(mine), timeout=10_000)
        assert {row.get_attribute("data-service") for row in rows.all()} == mine
        expect_link(page, "live")
    context.close()
