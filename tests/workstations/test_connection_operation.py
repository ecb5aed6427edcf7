"""A connection test as an operation: from the request to the stored and published result."""

import io
import socket
import sys
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from django.utils import timezone

from medimgr.events.models import Event
from operations.executor import Executor
from operations.models import Operation
from operations.requester import Requester
from operations.states import Status
from tests.running import free_port
from workstations import connection
from workstations.actions import request_action
from workstations.connection_results import record
from workstations.handlers import QUEUE, TEST_CONNECTION
from workstations.models import Workstation

pytestmark = pytest.mark.both_databases


def make(port: int, name: str = "ws-12") -> Workstation:
    return Workstation.objects.create(name=name, host="127.0.0.1", port=port)


@pytest.mark.django_db(transaction=True)
def test_a_reachable_workstation_is_online_and_published() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        workstation = make(listener.getsockname()[1])
        asked = request_action(workstation, "test-connection", Requester("alice", "api"))
        assert (asked.target, asked.kind) == (f"workstation:{workstation.pk}", TEST_CONNECTION)
        Executor(queue_name=QUEUE).run(drain=True)
    asked.refresh_from_db()
    workstation.refresh_from_db()
    assert (asked.status, asked.progress_done) == (Status.SUCCESS, 1)
    assert (workstation.status, workstation.last_error) == ("online", "")
    assert workstation.status_since is not None
    event = Event.objects.filter(topic="workstation").latest("id")
    assert (event.key, event.data) == (str(workstation.pk), workstation.public())


@pytest.mark.django_db(transaction=True)
def test_an_unreachable_workstation_is_a_failed_operation_that_says_why() -> None:
    workstation = make(free_port())
    asked = request_action(workstation, "test-connection", Requester("alice", "api"))
    Executor(queue_name=QUEUE).run(drain=True)
    asked.refresh_from_db()
    workstation.refresh_from_db()
    assert (asked.status, asked.error_code) == (Status.FAILED, "workstation-refused")
    assert "refuses" in asked.error_detail
    assert (workstation.status, workstation.last_error) == ("offline", asked.error_detail)


@pytest.mark.django_db(transaction=True)
def test_who_answers_may_be_asked_at_once_but_a_wrong_password_stays_wrong() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        workstation = make(listener.getsockname()[1])
        later = timezone.now() + timedelta(minutes=5)
        Workstation.objects.update(
            status="error",
            error_code="workstation-authentication",
            last_error="It does not accept it.",
            failures=3,
            next_probe_at=later,
        )
        request_action(workstation, "test-connection", Requester("alice", "api"))
        Executor(queue_name=QUEUE).run(drain=True)
    workstation.refresh_from_db()
    assert (workstation.failures, workstation.next_probe_at) == (0, None)
    assert (workstation.status, workstation.error_code) == ("error", "workstation-authentication")


@pytest.mark.django_db(transaction=True)
def test_the_time_of_a_status_is_that_of_its_change() -> None:
    workstation = make(free_port())
    moments = []
    for _ in range(2):
        request_action(workstation, "test-connection", Requester("alice", "api"))
        Executor(queue_name=QUEUE).run(drain=True)
        workstation.refresh_from_db()
        moments.append(workstation.status_since)
    assert moments[0] == moments[1]


@pytest.mark.django_db
def test_a_result_does_not_overwrite_what_was_edited_meanwhile() -> None:
    workstation = make(free_port())
    result = connection.test_connection(workstation)
    Workstation.objects.filter(pk=workstation.pk).update(name="renamed")
    record(workstation, result)
    workstation.refresh_from_db()
    assert (workstation.name, workstation.status) == ("renamed", "offline")


@pytest.mark.django_db
def test_a_workstation_deleted_meanwhile_is_not_brought_back() -> None:
    workstation = make(free_port())
    result = connection.test_connection(workstation)
    Workstation.objects.all().delete()
    told = Event.objects.filter(topic="workstation").count()
    record(workstation, result)
    assert not Workstation.objects.exists()
    assert Event.objects.filter(topic="workstation").count() == told


@pytest.mark.django_db
def test_the_admin_action_asks_and_does_nothing_itself(alice: User, client: Client) -> None:
    workstation = make(free_port())
    client.force_login(alice)
    answer = client.post(
        "/admin/workstations/workstation/",
        {"action": "ask_for_connection_test", "_selected_action": [workstation.pk]},
        follow=True,
    )
    asked = Operation.objects.get()
    assert (asked.status, asked.requested_by, asked.source) == (Status.PENDING, alice, "admin")
    assert f"operation {asked.pk}" in answer.content.decode()
    again = client.post(
        "/admin/workstations/workstation/",
        {"action": "ask_for_connection_test", "_selected_action": [workstation.pk]},
        follow=True,
    )
    assert "is busy" in again.content.decode()
    assert Operation.objects.count() == 1


@pytest.mark.django_db
def test_the_admin_action_takes_its_permission_and_a_post(bob: User, client: Client) -> None:
    workstation = make(free_port())
    client.force_login(bob)
    form = {"action": "ask_for_connection_test", "_selected_action": str(workstation.pk)}
    client.post("/admin/workstations/workstation/", form)
    assert not Operation.objects.exists()
    bob.user_permissions.add(Permission.objects.get(codename="test_workstation"))
    client.get("/admin/workstations/workstation/", form)
    assert not Operation.objects.exists()
    client.post("/admin/workstations/workstation/", form)
    assert Operation.objects.count() == 1


@pytest.mark.django_db
def test_the_command_tests_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        make(listener.getsockname()[1])
        out = io.StringIO()
        call_command("workstations", "test", "ws-12", stdout=out)
    assert out.getvalue().startswith("ws-12: online, ")
    assert Workstation.objects.get().status == "online"


@pytest.mark.django_db
def test_the_command_ends_with_status_1_where_nobody_answers() -> None:
    make(free_port())
    err = io.StringIO()
    with pytest.raises(SystemExit) as caught:
        call_command("workstations", "test", "ws-12", stderr=err)
    assert caught.value.code == 1
    assert "refuses" in err.getvalue()


@pytest.mark.django_db
def test_the_command_names_the_known_ones_for_a_wrong_name() -> None:
    make(free_port(), "ws-1")
    with pytest.raises(CommandError, match=r"ws-2.*Known: ws-1") as caught:
        call_command("workstations", "test", "ws-2", stdout=sys.stdout)
    assert caught.value.returncode == 2


@pytest.mark.django_db
@pytest.mark.parametrize("timeout", ["0", "-1", "nan", "61", "x"])
def test_the_command_refuses_a_timeout_that_is_none(timeout: str) -> None:
    with pytest.raises(CommandError, match="not a number of seconds"):
        call_command("workstations", "test", "ws-1", "--timeout", timeout)
