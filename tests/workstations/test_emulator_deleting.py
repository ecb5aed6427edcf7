"""A deleted emulator is gone, stays gone, and was at rest before."""

import pytest

from medimgr.events.models import Event
from tests.workstations.carrying_out import carried_out, key
from tests.workstations.emulator_worlds import emulator, how, scanned
from tests.workstations.peer import Instance, Peer
from workstations.emulator_kinds import delete
from workstations.models import Change, Emulator

__all__ = ["key"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("key")]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delete, "GONE_SECONDS", 1.0)
    monkeypatch.setattr(delete, "STAYS_AWAY_SECONDS", 0.4)


def test_it_leaves_a_hole_and_its_history(peer: Peer) -> None:
    machine = peer.machine(instances=["game", "shop", "till"], in_process=True)
    workstation = scanned(machine)
    row = emulator(workstation, 1)
    ended = carried_out("emulator.delete", row)
    assert ended.status == "SUCCESS", how(ended)
    assert [(one.index, one.title) for one in machine.instances()] == [(0, "game"), (2, "till")]
    assert list(workstation.emulators.values_list("index", flat=True)) == [0, 2]
    told = Event.objects.filter(topic="emulator", key=str(row.pk)).latest("id")
    assert told.data == {"deleted": True, "workstation": workstation.pk}
    assert Change.objects.get(what="gone").title == "shop"


def test_an_empty_one_that_comes_back_is_deleted_too(peer: Peer) -> None:
    machine = peer.machine(instances=["game", "shop"], in_process=True, recreates_after_remove=2)
    ended = carried_out("emulator.delete", emulator(scanned(machine), 1))
    assert ended.status == "SUCCESS", how(ended)
    assert [one.title for one in machine.instances()] == ["game"]
    assert [call[0] for call in machine.calls()] == ["remove"] * 3


def test_after_three_times_it_is_told_that_it_comes_back(peer: Peer) -> None:
    machine = peer.machine(instances=["game", "shop"], in_process=True, recreates_after_remove=9)
    ended = carried_out("emulator.delete", emulator(scanned(machine), 1))
    assert ended.error_code == "verify-failed"
    assert "3 times" in ended.error_detail
    assert "LDPlayer-1 (index 1)" in ended.error_detail
    assert len(machine.calls()) == 3


@pytest.mark.parametrize(
    "instance",
    [
        Instance.running("shop"),
        Instance("shop", android=2, pid=99, boots_at=9e9),
        Instance("shop", android=1, pid=99),
    ],
)
def test_one_of_which_anything_runs_is_refused(peer: Peer, instance: Instance) -> None:
    machine = peer.machine(instances=[instance], in_process=True)
    ended = carried_out("emulator.delete", emulator(scanned(machine)))
    assert ended.error_code == "emulator-unsafe"
    assert "Stop it first" in ended.error_detail
    assert machine.calls() == []
    assert Emulator.objects.count() == 1


def test_one_that_somebody_has_deleted_meanwhile_is_deleted(peer: Peer) -> None:
    machine = peer.machine(instances=["shop"], in_process=True)
    row = emulator(scanned(machine))
    with machine.change() as state:
        state.instances.clear()
    ended = carried_out("emulator.delete", row)
    assert ended.status == "SUCCESS", how(ended)
    assert "not there any more" in ended.progress_message
    assert not Emulator.objects.exists()
