"""What a workstation says of itself is asked by one script, stored with its time, and published."""

import pytest

from medimgr.events.models import Event
from operations.log_reading import read_all
from operations.states import Status
from tests.workstations.carrying_out import carried_out, declared
from tests.workstations.carrying_out import key as key
from tests.workstations.peer import Peer
from workstations.handlers import READ_SYSTEM
from workstations.models import Workstation

pytestmark = [
    pytest.mark.both_databases,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("key"),
]


def test_it_is_stored_and_published_and_told_in_words(peer: Peer) -> None:
    machine = peer.machine("pc-1")
    workstation = declared(machine)
    operation = carried_out(READ_SYSTEM, workstation)
    workstation.refresh_from_db()
    system = workstation.system
    assert (operation.status, operation.error_detail) == (Status.SUCCESS, "")
    assert system is not None
    assert (system["computer"], system["cpu"]["threads"]) == ("PC-1", 32)
    assert system["sessions"] == [{"user": "PC-1\\operator", "session": 1}]
    assert [disk["name"] for disk in system["disks"]] == ["C:"]
    event = Event.objects.filter(topic="workstation", key=str(workstation.pk)).latest("id")
    assert event.data["system"] == system
    assert [line.text for line in read_all(operation.pk)] == [
        "PC-1: Microsoft Windows 11 Pro 10.0.22631, running since 2026-01-05 06:30 UTC",
        "AMD Ryzen 9 5950X 16-Core Processor: 16 cores, 32 threads, 3 % busy",
        "Memory: 58.0 GB of 64.0 GB free",
        "Disk C: 300.0 GB of 512.0 GB free",
        "Logged on: PC-1\\operator",
    ]
    assert len(machine.commands) == 1
    assert machine.open_shells == []


def test_what_can_not_be_found_out_is_told_as_such(peer: Peer) -> None:
    machine = peer.machine("pc-1")
    with machine.change() as state:
        state.system["system-info"] = {"sessions": None, "disks": [], "cpu": {"load_percent": None}}
    workstation = declared(machine)
    operation = carried_out(READ_SYSTEM, workstation)
    texts = [line.text for line in read_all(operation.pk)]
    assert texts[1] == "AMD Ryzen 9 5950X 16-Core Processor: 16 cores, 32 threads"
    assert texts[-1] == "Who is logged on is not known"


@pytest.mark.parametrize(
    ("quirk", "code", "said"),
    [
        ("chatty", "output-not-understood", "Welcome to the domain!"),
        ("constrained", "remote-exit", "Cannot invoke method."),
    ],
)
def test_an_answer_that_is_none_leaves_what_was_known_before(
    peer: Peer, quirk: str, code: str, said: str
) -> None:
    machine = peer.machine("pc-1")
    workstation = declared(machine)
    carried_out(READ_SYSTEM, workstation)
    before = Workstation.objects.get().system
    machine.set(powershell=quirk)
    operation = carried_out(READ_SYSTEM, workstation)
    assert (operation.status, operation.error_code) == (Status.FAILED, code)
    assert said in operation.error_detail
    assert Workstation.objects.get().system == before


def test_a_form_that_is_saved_meanwhile_loses_nothing(peer: Peer) -> None:
    workstation = declared(peer.machine("pc-1"), tags=["lab"])
    stale = Workstation.objects.get()
    carried_out(READ_SYSTEM, workstation)
    Workstation.objects.filter(pk=stale.pk).update(tags=["farm"])
    carried_out(READ_SYSTEM, workstation)
    now = Workstation.objects.get()
    assert now.tags == ["farm"]
    assert now.system is not None
