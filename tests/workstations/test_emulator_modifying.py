"""Hardware is changed when the config says so, not when ldconsole says nothing against it."""

import pytest

from tests.workstations.carrying_out import carried_out, key
from tests.workstations.emulator_worlds import emulator, how, scanned
from tests.workstations.peer import Instance, Peer
from workstations.emulator_kinds import modify

__all__ = ["key"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("key")]
WANTED = {"cpu": 4, "memory_mb": 4096, "width": 1280, "height": 720, "dpi": 240}


@pytest.mark.parametrize("columns", [7, 10])
def test_all_that_is_asked_for_is_read_back_from_the_config(peer: Peer, columns: int) -> None:
    machine = peer.machine(instances=["shop"], in_process=True, columns=columns)
    row = emulator(scanned(machine))
    assert (row.cpu, row.memory_mb) == (None, None), "A new one has no such keys yet."
    ended = carried_out("emulator.modify", row, **WANTED)
    assert ended.status == "SUCCESS", how(ended)
    row.refresh_from_db()
    assert {name: getattr(row, name) for name in WANTED} == WANTED
    truth = machine.instance("shop")
    assert (truth.cpu, truth.memory_mb, truth.width, truth.height, truth.dpi) == (4, 4096, 1280, 720, 240)


def test_what_is_not_asked_for_stays(peer: Peer) -> None:
    machine = peer.machine(instances=[Instance("shop", cpu=2, memory_mb=2048)], in_process=True)
    ended = carried_out("emulator.modify", emulator(scanned(machine)), cpu=3)
    assert ended.status == "SUCCESS", how(ended)
    assert (machine.instance("shop").cpu, machine.instance("shop").memory_mb) == (3, 2048)


def test_what_it_has_already_is_given_at_once_even_while_it_runs(peer: Peer) -> None:
    machine = peer.machine(instances=[Instance.running("shop", cpu=2, memory_mb=2048)], in_process=True)
    ended = carried_out("emulator.modify", emulator(scanned(machine)), cpu=2, memory_mb=2048)
    assert ended.status == "SUCCESS", how(ended)
    assert "already" in ended.progress_message
    assert machine.calls() == []


def test_one_that_runs_is_refused_since_ldconsole_would_quietly_do_nothing(peer: Peer) -> None:
    machine = peer.machine(instances=[Instance.running("shop")], in_process=True)
    ended = carried_out("emulator.modify", emulator(scanned(machine)), cpu=4)
    assert ended.error_code == "emulator-unsafe"
    assert "is running, so it can't be changed. Stop it first." in ended.error_detail
    assert machine.calls() == []


def test_a_change_that_was_not_made_is_told_with_what_is_there(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modify, "READINGS", 2)
    shop = Instance("shop", cpu=2, memory_mb=2048)
    machine = peer.machine(instances=[shop], in_process=True, ignores_modify=True)
    ended = carried_out("emulator.modify", emulator(scanned(machine)), cpu=4, memory_mb=2048)
    assert ended.error_code == "verify-failed"
    assert "processors 2 instead of 4" in ended.error_detail
    assert "memory" not in ended.error_detail
