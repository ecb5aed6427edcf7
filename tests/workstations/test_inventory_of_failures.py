"""A workstation that can't be reached or read: its status, and what becomes of its emulators."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from medimgr.events.models import Event
from workstations import inventory
from workstations.exceptions import AuthenticationFailure, NotAskedAgain, Refused, Unreachable
from workstations.ldplayer.list2 import Instance
from workstations.models import Change, Emulator, Workstation
from workstations.reachability import STALE_AFTER

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db(transaction=True)]

STOPPED = Instance(0, "Farm 0", 0, 0, 0, -1, -1, 960, 540, 160)
RUNNING = Instance(1, "Farm 1", 1, 1, 1, 500, 501, 960, 540, 160)
SILENT = Unreachable("ws-1 did not answer on port 5985 within 5 s.")
WRONG_PASSWORD = AuthenticationFailure("ws-1 does not accept user 'operator'.")


def read(workstation: Workstation, *instances: Instance) -> list[Emulator]:
    return inventory.record(workstation, instances, began_at=timezone.now())


@pytest.fixture
def workstation() -> Workstation:
    """Return one that was read, with an emulator that runs and one that does not."""
    workstation = Workstation.objects.create(name="ws-1", host="ws-1.example")
    read(workstation, STOPPED, RUNNING)
    forget()
    return workstation


def forget() -> None:
    Event.objects.all().delete()
    Change.objects.all().delete()


def events() -> list[tuple[str, str]]:
    return [(row.topic, row.data.get("status") or row.data["state"]) for row in Event.objects.order_by("id")]


def history() -> list[tuple[str, str, str]]:
    return [(row.what, row.before, row.after) for row in Change.objects.order_by("id")]


def states() -> list[str]:
    return list(Emulator.objects.order_by("index").values_list("state", flat=True))


def test_one_that_is_silent_is_offline_and_its_emulators_are_unknown_at_once(
    workstation: Workstation,
) -> None:
    inventory.record_failure(workstation, SILENT, 7)
    workstation.refresh_from_db()
    assert (workstation.status, workstation.error_code) == ("offline", "workstation-unreachable")
    assert workstation.last_error == SILENT.detail
    assert states() == ["unknown", "unknown"]
    assert events() == [("workstation", "offline"), ("emulator", "unknown"), ("emulator", "unknown")]
    assert history() == [("status", "online", "offline")]
    assert Change.objects.get().operation_id == 7


def test_that_it_is_still_silent_is_written_and_told_no_more(workstation: Workstation) -> None:
    inventory.record_failure(workstation, SILENT)
    forget()
    with CaptureQueriesContext(connection) as queries:
        assert not inventory.record_failure(workstation, SILENT)
    assert len(queries) == 2
    assert (events(), history()) == ([], [])


def test_another_reason_is_told_without_a_change_of_status(workstation: Workstation) -> None:
    inventory.record_failure(workstation, SILENT)
    since = Workstation.objects.get().status_since
    forget()
    assert inventory.record_failure(workstation, Refused("ws-1 refuses connections."))
    assert events() == [("workstation", "offline")]
    assert history() == []
    assert Workstation.objects.get().status_since == since


def test_one_that_comes_back_tells_what_its_emulators_are_in_and_only_news_is_history(
    workstation: Workstation,
) -> None:
    inventory.record_failure(workstation, SILENT)
    forget()
    read(workstation, Instance(0, "Farm 0", 1, 1, 1, 600, 601, 960, 540, 160), RUNNING)
    assert events() == [("workstation", "online"), ("emulator", "running"), ("emulator", "running")]
    assert history() == [("status", "offline", "online"), ("state", "stopped", "running")]
    stored = Workstation.objects.get()
    assert (stored.last_error, stored.error_code) == ("", "")


def test_one_that_restarted_meanwhile_says_that_its_emulators_ended(workstation: Workstation) -> None:
    inventory.record_failure(workstation, SILENT)
    forget()
    read(workstation, STOPPED, Instance(1, "Farm 1", 0, 0, 0, -1, -1, 960, 540, 160))
    assert history()[1:] == [("state", "running", "stopped")]


def test_one_that_answers_but_can_not_be_read_is_in_error_and_its_emulators_stay_for_a_while(
    workstation: Workstation,
) -> None:
    inventory.record_failure(workstation, WRONG_PASSWORD)
    assert Workstation.objects.get().status == "error"
    assert states() == ["stopped", "running"]
    Workstation.objects.update(read_at=timezone.now() - STALE_AFTER - timedelta(seconds=1))
    forget()
    inventory.record_failure(workstation, WRONG_PASSWORD)
    assert states() == ["unknown", "unknown"]
    assert events() == [("emulator", "unknown"), ("emulator", "unknown")]


def test_that_it_was_not_asked_says_nothing_of_it(workstation: Workstation) -> None:
    assert not inventory.record_failure(workstation, NotAskedAgain("Asked again in 30 s."))
    assert Workstation.objects.get().status == "online"


def test_a_look_that_began_before_the_last_good_one_is_refuted(workstation: Workstation) -> None:
    began = timezone.now() - timedelta(seconds=10)
    assert not inventory.record_failure(workstation, SILENT, began_at=began)
    assert not inventory.record_failure(workstation, WRONG_PASSWORD, began_at=began)
    assert Workstation.objects.get().status == "online"
    assert inventory.record_failure(workstation, SILENT, began_at=timezone.now())


def test_who_answers_at_the_port_refutes_silence_but_no_wrong_password(workstation: Workstation) -> None:
    began = timezone.now()
    Workstation.objects.update(read_at=began - timedelta(minutes=1), seen_at=timezone.now())
    assert not inventory.record_failure(workstation, SILENT, began_at=began)
    assert inventory.record_failure(workstation, WRONG_PASSWORD, began_at=began)


def test_emulators_are_made_unknown_once(workstation: Workstation) -> None:
    assert inventory.mark_unknown(workstation) == 2
    assert history() == []
    forget()
    with CaptureQueriesContext(connection) as queries:
        assert inventory.mark_unknown(workstation) == 0
    assert len(queries) == 1
    assert events() == []


def test_a_workstation_that_was_deleted_meanwhile_is_no_fault(workstation: Workstation) -> None:
    Workstation.objects.get().delete()
    forget()
    assert not inventory.record_failure(workstation, SILENT)
    assert inventory.mark_unknown(workstation) == 0
    assert events() == []


def test_a_long_message_is_cut_to_its_column(workstation: Workstation) -> None:
    endless = Unreachable("x" * 1000)
    inventory.record_failure(workstation, endless)
    forget()
    assert not inventory.record_failure(workstation, endless)
