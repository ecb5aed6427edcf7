"""A new emulator has its title and hardware, or there is none."""

import pytest

from operations.models import Operation
from tests.workstations.carrying_out import carried_out, key
from tests.workstations.emulator_worlds import how, retried, scanned
from tests.workstations.peer import Instance, Peer
from workstations.emulator_kinds import create, modify
from workstations.models import Emulator

__all__ = ["key"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("key")]
HARDWARE = {"cpu": 4, "memory_mb": 4096, "width": 1280, "height": 720, "dpi": 240}


def test_it_takes_the_first_free_index_and_that_is_read_back(peer: Peer) -> None:
    machine = peer.machine(instances=[Instance("game", 0), Instance("till", 2)], in_process=True)
    workstation = scanned(machine)
    ended = carried_out("workstation.create-emulator", workstation, title="shop 店")
    assert ended.status == "SUCCESS", how(ended)
    assert ended.progress_message == "shop 店 has index 1"
    made = Emulator.objects.get(title="shop 店")
    assert (made.index, made.state) == (1, "stopped")
    assert machine.instances()[1].title == "shop 店"


def test_it_gets_its_hardware(peer: Peer) -> None:
    machine = peer.machine(in_process=True)
    ended = carried_out("workstation.create-emulator", scanned(machine), title="shop", **HARDWARE)
    assert ended.status == "SUCCESS", how(ended)
    made = Emulator.objects.get()
    assert {name: getattr(made, name) for name in HARDWARE} == HARDWARE


def test_a_title_that_is_taken_is_refused(peer: Peer) -> None:
    machine = peer.machine(instances=["shop"], in_process=True)
    ended = carried_out("workstation.create-emulator", scanned(machine), title="shop")
    assert ended.error_code == "emulator-unsafe"
    assert machine.calls() == []


def test_where_none_comes_that_is_told(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(create, "APPEARS_SECONDS", 0.5)
    machine = peer.machine(in_process=True, ignores_add=True)
    ended = carried_out("workstation.create-emulator", scanned(machine), title="shop")
    assert ended.error_code == "verify-failed"
    assert "none has come" in ended.error_detail


def test_one_without_its_hardware_is_taken_back(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modify, "READINGS", 1)
    machine = peer.machine(instances=["game"], in_process=True, ignores_modify=True)
    ended = carried_out("workstation.create-emulator", scanned(machine), title="shop", cpu=4)
    assert ended.error_code == "verify-failed"
    assert "processors not set instead of 4" in ended.error_detail
    assert "deleted again" in ended.error_detail
    assert [one.title for one in machine.instances()] == ["game"]
    assert Emulator.objects.count() == 1


def test_a_retry_after_a_lost_worker_goes_on_with_what_was_made(peer: Peer) -> None:
    machine = peer.machine(instances=["game", "shop"], in_process=True)
    workstation = scanned(machine)
    first = carried_out("workstation.create-emulator", workstation, title="shop", cpu=4)
    assert first.error_code == "emulator-unsafe"
    Operation.objects.filter(pk=first.pk).update(checkpoint={"indexes before": [0]})
    again = retried(first)
    assert again.status == "SUCCESS", how(again)
    assert [one.title for one in machine.instances()] == ["game", "shop"]
    assert machine.instance("shop").cpu == 4
