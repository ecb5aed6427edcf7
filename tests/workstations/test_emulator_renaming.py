"""A title is given by index, and read back."""

import pytest

from tests.workstations.carrying_out import carried_out, key
from tests.workstations.emulator_worlds import emulator, how, scanned
from tests.workstations.peer import Instance, Peer
from workstations.emulator_kinds import rename
from workstations.models import Change

__all__ = ["key"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("key")]


@pytest.mark.parametrize("encoding", ["gbk", "utf-8"])
def test_a_title_with_spaces_and_chinese_arrives(peer: Peer, encoding: str) -> None:
    machine = peer.machine(instances=["game", "shop"], in_process=True, encoding=encoding)
    row = emulator(scanned(machine), 1)
    ended = carried_out("emulator.rename", row, title="店铺 no 2")
    assert ended.status == "SUCCESS", how(ended)
    assert [one.title for one in machine.instances()] == ["game", "店铺 no 2"]
    row.refresh_from_db()
    assert row.title == "店铺 no 2", "It is the same row, with another title."
    change = Change.objects.get(what="title")
    assert (change.before, change.after, change.operation_id) == ("shop", "店铺 no 2", ended.pk)


def test_one_with_a_title_that_we_would_never_give_can_be_renamed(peer: Peer) -> None:
    machine = peer.machine(instances=["a,1 \"b\" 'c' 店"], in_process=True)
    ended = carried_out("emulator.rename", emulator(scanned(machine)), title="plain")
    assert ended.status == "SUCCESS", how(ended)
    assert machine.instances()[0].title == "plain"


def test_a_running_one_may_be_renamed(peer: Peer) -> None:
    machine = peer.machine(instances=[Instance.running("shop")], in_process=True)
    ended = carried_out("emulator.rename", emulator(scanned(machine)), title="till")
    assert ended.status == "SUCCESS", how(ended)


def test_a_title_that_is_taken_is_refused_with_its_index(peer: Peer) -> None:
    machine = peer.machine(instances=["game", "shop"], in_process=True)
    ended = carried_out("emulator.rename", emulator(scanned(machine), 1), title="game")
    assert ended.error_code == "emulator-unsafe"
    assert "'game' already, with index 0" in ended.error_detail
    assert machine.calls() == []


def test_the_title_that_it_has_is_given_at_once(peer: Peer) -> None:
    machine = peer.machine(instances=["shop"], in_process=True)
    ended = carried_out("emulator.rename", emulator(scanned(machine)), title="shop")
    assert ended.status == "SUCCESS", how(ended)
    assert "already" in ended.progress_message
    assert machine.calls() == []


def test_a_rename_that_did_nothing_is_not_believed(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rename, "SECONDS", 0.5)
    machine = peer.machine(instances=["shop"], in_process=True, ignores_rename=True)
    row = emulator(scanned(machine))
    ended = carried_out("emulator.rename", row, title="till")
    assert ended.error_code == "verify-failed"
    assert "still called 'shop', not 'till'" in ended.error_detail
    row.refresh_from_db()
    assert row.title == "shop"
