"""An emulator is started on the desktop of who is logged on, and called running when it has a machine."""

import pytest

from tests.workstations.carrying_out import carried_out, key
from tests.workstations.emulator_worlds import emulator, how, scanned, states_told
from tests.workstations.peer import Instance, Peer
from workstations.emulator_kinds import start
from workstations.models import Workstation

__all__ = ["key"]
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("key"),
    pytest.mark.both_databases,
]


@pytest.mark.parametrize("columns", [7, 10])
def test_a_stopped_one_starts_and_everybody_sees_how(peer: Peer, columns: int) -> None:
    machine = peer.machine(instances=["shop", "game"], in_process=True, boot_polls=2, columns=columns)
    workstation = scanned(machine)
    row = emulator(workstation, 1)
    ended = carried_out("emulator.start", row)
    assert ended.status == "SUCCESS", how(ended)
    assert machine.instance("game").android == 1
    assert machine.instance("shop").android == 0
    row.refresh_from_db()
    assert (row.state, row.vbox_pid) == ("running", machine.instance("game").vbox_pid)
    assert states_told(row.pk) == ["stopped", "starting", "running"]
    assert machine.tasks() == {}
    assert machine.open_shells == []


def test_one_that_runs_already_is_left_alone(peer: Peer) -> None:
    machine = peer.machine(instances=[Instance.running("shop")], in_process=True)
    ended = carried_out("emulator.start", emulator(scanned(machine)))
    assert (ended.status, ended.progress_message) == ("SUCCESS", "shop (index 0) runs already")
    assert machine.calls() == []


def test_one_that_starts_already_is_waited_for(peer: Peer) -> None:
    machine = peer.machine(instances=["shop"], in_process=True)
    row = emulator(scanned(machine))
    with machine.change() as state:
        state.instances[0].begin(state.take_pid())
        state.instances[0].boots_in_polls = 2
    ended = carried_out("emulator.start", row)
    assert ended.status == "SUCCESS", how(ended)
    assert machine.calls() == [], "It was launched a second time."


def test_where_nobody_is_logged_on_it_is_said_at_once(peer: Peer) -> None:
    machine = peer.machine(instances=["shop"], in_process=True, logged_on="")
    ended = carried_out("emulator.start", emulator(scanned(machine)))
    assert ended.error_code == "workstation-no-desktop"
    assert "Is operator logged on" in ended.error_detail
    assert machine.tasks() == {}


def test_a_launch_that_shows_nothing_is_not_believed(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "APPEARS_SECONDS", 0.5)
    machine = peer.machine(instances=["shop"], in_process=True, ignores_launch=True)
    ended = carried_out("emulator.start", emulator(scanned(machine)))
    assert ended.error_code == "verify-failed"
    assert machine.calls() == [["launch", "--index", "0"]]


def test_a_start_without_a_desktop_comes_to_nothing_and_is_not_believed(peer: Peer) -> None:
    machine = peer.machine(instances=["shop"], in_process=True)
    workstation = scanned(machine, launch="direct", boot_seconds=5)
    Workstation.objects.filter(pk=workstation.pk).update(boot_seconds=1)
    row = emulator(workstation)
    ended = carried_out("emulator.start", row)
    assert ended.error_code == "verify-failed"
    assert "no virtual machine" in ended.error_detail
    row.refresh_from_db()
    assert row.state == "zombie"


def test_one_that_takes_too_long_is_told_to_be_starting_still(peer: Peer) -> None:
    machine = peer.machine(instances=["shop"], in_process=True, boot_seconds=60)
    workstation = scanned(machine, boot_seconds=1)
    ended = carried_out("emulator.start", emulator(workstation))
    assert ended.error_code == "verify-failed"
    assert "still starting after 1 s" in ended.error_detail


def test_a_zombie_is_not_started_but_can_be_restarted(peer: Peer) -> None:
    zombie = Instance("shop", android=1, pid=4711)
    machine = peer.machine(instances=[zombie], in_process=True)
    row = emulator(scanned(machine))
    assert row.state == "zombie"
    ended = carried_out("emulator.start", row)
    assert ended.error_code == "emulator-unsafe"
    assert "Restart it" in ended.error_detail
    ended = carried_out("emulator.restart", row)
    assert ended.status == "SUCCESS", how(ended)
    assert machine.instance("shop").vbox_pid > 0


def test_a_restart_is_a_stop_and_a_start_on_the_desktop(peer: Peer) -> None:
    machine = peer.machine(instances=[Instance.running("shop")], in_process=True, quit_seconds=0.5)
    row = emulator(scanned(machine))
    before = machine.instance("shop").pid
    ended = carried_out("emulator.restart", row)
    assert ended.status == "SUCCESS", how(ended)
    assert machine.instance("shop").pid not in (before, -1)
    assert [call[0] for call in machine.calls()] == ["quit", "launch"]
    assert states_told(row.pk)[-1] == "running"


def test_a_task_that_windows_does_not_allow_is_told_in_its_words(peer: Peer) -> None:
    machine = peer.machine(instances=["shop"], in_process=True, task_scheduler=False)
    ended = carried_out("emulator.start", emulator(scanned(machine)))
    assert ended.error_code == "remote-exit"
    assert "Access is denied" in ended.error_detail
