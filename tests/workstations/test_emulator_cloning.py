"""A clone is done when it is whole, which is long after ldconsole has returned."""

import time
from typing import Any

import pytest

from operations.models import Operation
from tests.workstations.carrying_out import carried_out, key
from tests.workstations.emulator_worlds import emulator, how, retried, scanned
from tests.workstations.peer import Instance, Machine, Peer
from workstations.emulator_kinds import clone
from workstations.models import Emulator

__all__ = ["key"]
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("key"),
    pytest.mark.both_databases,
]


def farm(peer: Peer, **quirks: Any) -> tuple[Machine, Emulator]:
    """Return a machine with an emulator that was changed once, and its row."""
    source = Instance("shop", cpu=4, memory_mb=4096, width=1280, height=720, dpi=240)
    machine = peer.machine(instances=[source], in_process=True, **quirks)
    return machine, emulator(scanned(machine))


def test_it_is_waited_for_until_it_is_whole(peer: Peer) -> None:
    machine, source = farm(peer, copy_seconds=1.0)
    began = time.monotonic()
    ended = carried_out("emulator.clone", source, title="shop 2")
    assert ended.status == "SUCCESS", how(ended)
    assert time.monotonic() - began >= 1.0
    made = Emulator.objects.get(title="shop 2")
    assert (made.index, made.cpu, made.memory_mb, made.width) == (1, 4, 4096, 1280)
    assert ended.progress_message == "shop 2 (index 1) is a clone of shop (index 0)"
    assert machine.open_shells == []


def test_where_another_copy_is_under_way_nothing_half_is_left(peer: Peer) -> None:
    machine, source = farm(peer, copy_seconds=30.0)
    with machine.change() as state:
        under_way = state.put(Instance("by hand"))
        under_way.whole_at = time.time() + 30
    ended = carried_out("emulator.clone", source, title="shop 2")
    assert ended.error_code == "emulator-unsafe"
    assert "Another copy is under way" in ended.error_detail
    assert "What it left half was deleted" in ended.error_detail
    assert [one.title for one in machine.instances()] == ["shop", "by hand"]


def test_one_that_has_only_just_ended_is_left_to_settle(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clone, "SETTLE_SECONDS", 1.2)
    machine = peer.machine(instances=[Instance.running("shop")], in_process=True, settle_seconds=1.0)
    source = emulator(scanned(machine))
    assert carried_out("emulator.stop", source).status == "SUCCESS"
    ended = carried_out("emulator.clone", source, title="shop 2")
    assert ended.status == "SUCCESS", how(ended)
    assert not machine.instance("shop 2").half


def test_a_copy_that_never_becomes_whole_is_told(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clone, "COPY_SECONDS", 0.5)
    machine, source = farm(peer, copy_seconds=600.0)
    ended = carried_out("emulator.clone", source, title="shop 2")
    assert ended.error_code == "verify-failed"
    assert "has no size" in ended.error_detail
    assert machine.instance("shop 2").whole_at, "It may be whole yet, so it is left."


@pytest.mark.parametrize(
    ("instances", "words"),
    [
        ([Instance.running("shop")], "shop (index 0) is running, so it can't be cloned. Stop it first."),
        ([Instance("shop"), Instance("shop 2")], "'shop 2' already, with index 1"),
        ([Instance("shop", android=2, pid=99, boots_at=9e9)], "is starting"),
    ],
)
def test_what_is_unsafe_is_refused_before_anything_is_done(
    peer: Peer, instances: list[Instance], words: str
) -> None:
    machine = peer.machine(instances=instances, in_process=True)
    ended = carried_out("emulator.clone", emulator(scanned(machine)), title="shop 2")
    assert ended.error_code == "emulator-unsafe"
    assert words in ended.error_detail
    assert machine.calls() == []


def test_a_retry_after_a_lost_worker_takes_up_the_copy_that_is_there(peer: Peer) -> None:
    machine, source = farm(peer, copy_seconds=1.5)
    with machine.change() as state:
        begun = state.put(Instance("shop 2", cpu=4))
        begun.whole_at = time.time() + 1.5
    first = carried_out("emulator.clone", source, title="shop 2")
    assert first.error_code == "emulator-unsafe", "Without a word of an earlier try it is somebody's."
    Operation.objects.filter(pk=first.pk).update(checkpoint={"indexes before": [0]})
    again = retried(first)
    assert again.status == "SUCCESS", how(again)
    assert [one.title for one in machine.instances()] == ["shop", "shop 2"]
    assert machine.calls() == []
