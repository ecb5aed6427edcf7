"""Who sees which page: staff who may view what it shows, and nobody else."""

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from operations.models import Operation
from tests.factories import make_service

pytestmark = pytest.mark.django_db

PAGES = (
    "/monitoring/",
    "/monitoring/services/sleeper/",
    "/monitoring/connections/",
    "/operations/",
    "/operations/1/",
)


@pytest.fixture(autouse=True)
def something_to_see() -> None:
    make_service()
    now = timezone.now()
    times = {"created_at": now, "run_after": now, "deadline_at": now}
    Operation.objects.create(pk=1, kind="service.start", target_type="service", target_key="sleeper", **times)


@pytest.mark.parametrize("address", PAGES)
def test_a_stranger_is_sent_to_the_login_and_comes_back(client: Client, address: str) -> None:
    response = client.get(address)
    assert response.status_code == 302
    assert response["Location"] == f"/login/?next={address}"


@pytest.mark.parametrize("address", PAGES)
def test_who_is_no_staff_is_told_so(client: Client, charlie: User, address: str) -> None:
    client.force_login(charlie)
    response = client.get(address)
    assert response.status_code == 403
    assert "staff account" in response.content.decode()


@pytest.mark.parametrize("address", PAGES)
@pytest.mark.parametrize("person", ["alice", "bob"])
def test_operators_and_viewers_see_every_page(
    client: Client, request: pytest.FixtureRequest, person: str, address: str
) -> None:
    client.force_login(request.getfixturevalue(person))
    response = client.get(address)
    assert response.status_code == 200
    assert response["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("address", "permission"),
    [
        ("/monitoring/", "view_service"),
        ("/monitoring/services/sleeper/", "view_service"),
        ("/monitoring/connections/", "view_connection"),
        ("/operations/", "view_operation"),
        ("/operations/1/", "view_operation"),
    ],
)
def test_staff_without_the_permission_is_told_which_one(
    client: Client, bob: User, address: str, permission: str
) -> None:
    bob.user_permissions.remove(Permission.objects.get(codename=permission))
    client.force_login(bob)
    response = client.get(address)
    assert response.status_code == 403
    assert permission in response.content.decode()


def test_a_page_names_only_topics_that_its_reader_may_follow(client: Client, bob: User) -> None:
    bob.user_permissions.remove(Permission.objects.get(codename="view_connection"))
    client.force_login(bob)
    response = client.get("/monitoring/")
    assert response.context["page_data"]["topics"] == ["batch", "node", "operation", "service"]
    assert 'id="connection-count"' not in response.content.decode()


def test_a_viewer_is_shown_the_actions_as_not_permitted(client: Client, alice: User, bob: User) -> None:
    client.force_login(bob)
    assert not any(client.get("/monitoring/").context["page_data"]["may"].values())
    client.force_login(alice)
    assert all(client.get("/monitoring/").context["page_data"]["may"].values())


def test_the_log_is_kept_from_who_may_not_read_it(client: Client, bob: User) -> None:
    client.force_login(bob)
    page = client.get("/monitoring/services/sleeper/").content.decode()
    assert 'id="log-lines"' not in page
    assert "tail_service" in page


@pytest.mark.parametrize("address", ["/monitoring/services/nobody/", "/operations/77/"])
def test_what_does_not_exist_is_not_found(client: Client, alice: User, address: str) -> None:
    client.force_login(alice)
    assert client.get(address).status_code == 404


@pytest.mark.parametrize("address", PAGES)
def test_pages_change_nothing_and_take_no_post(client: Client, alice: User, address: str) -> None:
    client.force_login(alice)
    assert client.post(address).status_code == 405
