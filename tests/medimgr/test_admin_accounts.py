"""Accounts in the admin: deleting one takes its open streams along, and leaves its operations."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from medimgr.events.models import Connection, StreamWorker
from monitoring.actions import request_action
from operations.models import Operation
from operations.requester import Requester
from tests.api import client_of
from tests.factories import make_service

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(db: None) -> Client:
    return client_of(User.objects.create_superuser("root", password="root-password"))


def open_stream(user: User) -> Connection:
    now = timezone.now()
    worker = StreamWorker.objects.create(node="n", pid=1, start_ticks=1, started_at=now, seen_at=now)
    return Connection.objects.create(
        worker=worker, user=user, address="127.0.0.1", connected_at=now, last_ping_at=now
    )


def test_an_account_with_an_open_page_can_be_deleted(root: Client, alice: User) -> None:
    open_stream(alice)
    request_action(make_service(), "stop", Requester(name="alice", source="page", user=alice))
    answer = root.post(f"/admin/auth/user/{alice.pk}/delete/", {"post": "yes"})
    assert answer.status_code == 302
    assert not User.objects.filter(username="alice").exists()
    assert not Connection.objects.exists()
    operation = Operation.objects.get()
    assert (operation.requested_by, operation.requester) == (None, "alice")


def test_several_accounts_can_be_deleted_at_once(root: Client, alice: User, bob: User) -> None:
    open_stream(alice)
    data = {"action": "delete_selected", "_selected_action": [alice.pk, bob.pk], "post": "yes"}
    root.post("/admin/auth/user/", data)
    assert list(User.objects.values_list("username", flat=True)) == ["root"]


def test_the_form_of_a_service_offers_no_deletion_of_its_node(root: Client) -> None:
    page = root.get(f"/admin/monitoring/service/{make_service().pk}/change/").content.decode()
    assert 'id="delete_id_node"' not in page
    assert 'name="node"' in page


def test_a_stream_cannot_be_deleted_by_itself(root: Client, alice: User) -> None:
    stream = open_stream(alice)
    path = f"/admin/events/connection/{stream.pk}/delete/"
    assert root.post(path, {"post": "yes"}).status_code == 403
    assert Connection.objects.exists()
