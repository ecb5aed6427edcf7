"""The buttons of an admin form that ask for something do so for that row alone, by POST to its own list."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.factories import make_service
from tests.workstations.fleet_rows import make_workstation

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("place", ["workstations/workstation", "monitoring/service"])
def test_each_button_posts_an_action_on_its_row(client: Client, place: str) -> None:
    client.force_login(User.objects.create_superuser("root"))
    row = make_workstation() if "workstation" in place else make_service("backend")
    page = client.get(f"/admin/{place}/{row.pk}/change/").content.decode()
    assert f'class="object-tool" method="post" action="/admin/{place}/"' in page
    assert f'name="_selected_action" value="{row.pk}"' in page
