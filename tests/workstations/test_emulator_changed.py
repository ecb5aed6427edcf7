"""What was asked for one emulator is never done to another that has its index by now."""

from collections.abc import Callable
from typing import Any

import pytest

from operations.executor import Executor
from operations.models import Operation
from tests.workstations.carrying_out import asked, carried_out, key
from tests.workstations.emulator_worlds import emulator, scanned
from tests.workstations.peer import Instance, Machine, Peer
from workstations.actions import EMULATOR_VERBS
from workstations.handlers import QUEUE
from workstations.models import Emulator, Workstation

__all__ = ["key"]
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("key"),
    pytest.mark.both_databases,
]
PARAMETERS: dict[str, dict[str, Any]] = {
    "rename": {"title": "new"},
    "clone": {"title": "new"},
    "modify": {"cpu": 4},
    "install-app": {"package": "com.example.shop"},
}


def renamed_outside(machine: Machine) -> None:
    with machine.change() as state:
        state.instances[0].title = "somebody's"


def replaced_outside(machine: Machine) -> None:
    with machine.change() as state:
        state.instances[0] = Instance("LDPlayer", 0, width=1, height=1, dpi=1)


@pytest.mark.parametrize("verb", EMULATOR_VERBS)
@pytest.mark.parametrize("change", [renamed_outside, replaced_outside])
def test_an_index_that_holds_another_title_is_left_alone(
    peer: Peer, verb: str, change: Callable[[Machine], None]
) -> None:
    machine = peer.machine(instances=["shop"], in_process=True)
    row = emulator(scanned(machine))
    change(machine)
    ended = carried_out(f"emulator.{verb}", row, **PARAMETERS.get(verb, {}))
    assert ended.error_code == "emulator-changed"
    assert "no longer 'shop'" in ended.error_detail
    assert machine.calls() == []


def test_what_a_reading_found_renamed_meanwhile_is_not_what_was_meant(peer: Peer) -> None:
    machine = peer.machine(instances=["shop"], in_process=True)
    workstation = scanned(machine)
    waiting = asked("emulator.delete", emulator(workstation))
    renamed_outside(machine)
    Operation.objects.filter(pk=waiting.pk).update(queue="later")
    assert carried_out("workstation.scan", workstation).status == "SUCCESS"
    assert emulator(workstation).title == "somebody's", "The row tells the new title."
    Operation.objects.filter(pk=waiting.pk).update(queue=QUEUE)
    Executor(queue_name=QUEUE, threads=1).run(drain=True)
    waiting.refresh_from_db()
    assert waiting.error_code == "emulator-changed"
    assert "shop" in waiting.error_detail
    assert machine.calls() == []


@pytest.mark.parametrize("verb", [verb for verb in EMULATOR_VERBS if verb != "delete"])
def test_one_that_is_gone_is_told_to_be_gone(peer: Peer, verb: str) -> None:
    machine = peer.machine(instances=["shop"], in_process=True)
    row = emulator(scanned(machine))
    with machine.change() as state:
        state.instances.clear()
    ended = carried_out(f"emulator.{verb}", row, **PARAMETERS.get(verb, {}))
    assert ended.error_code == "emulator-changed"
    assert not Emulator.objects.exists(), "It was seen to be gone."


def test_a_workstation_that_is_deleted_takes_what_waits_with_it(peer: Peer) -> None:
    machine = peer.machine(instances=["shop"], in_process=True)
    workstation = scanned(machine)
    waiting = asked("emulator.start", emulator(workstation))
    Workstation.objects.get(pk=workstation.pk).delete()
    Executor(queue_name=QUEUE, threads=1).run(drain=True)
    waiting.refresh_from_db()
    assert waiting.error_code == "target-gone"
    assert machine.calls() == []
