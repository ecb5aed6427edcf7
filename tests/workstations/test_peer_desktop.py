"""Tasks of a simulated machine run on the desktop of who is logged on, or not at all."""

import base64
import json

import pytest

from tests.workstations.peer import Instance, Machine, Peer
from tests.workstations.winrm_client import run, shell
from workstations.powershell import script


@pytest.fixture
def machine(peer: Peer) -> Machine:
    return peer.machine("pc-1", instances=["Farm 1"])


def start(machine: Machine, *, user: str = "operator", without: str = "") -> int:
    """Start the first emulator by a task; return what Windows says of the task."""
    text = script(
        "desktop-start",
        task="start-0",
        program=machine.ldconsole_path,
        arguments="launch --index 0",
        user=user,
    )
    encoded = base64.b64encode((text.replace(without, "") if without else text).encode("utf-16-le")).decode()
    with shell(machine) as opened:
        done = run(opened, "powershell.exe", "-NoProfile", "-NonInteractive", "-EncodedCommand", encoded)
    assert done.rc == 0, done.stderr
    return int(json.loads(done.stdout)["result"])


def test_a_task_starts_an_emulator_on_the_desktop_and_goes(machine: Machine) -> None:
    assert start(machine) == 0
    found = machine.instance("Farm 1")
    assert (found.android, found.vbox_pid > 0, found.in_session_0) == (1, True, False)
    assert machine.tasks() == {}


@pytest.mark.parametrize(
    ("logged_on", "user"), [("", "operator"), ("somebody", "operator"), ("operator", "somebody")]
)
def test_a_task_does_not_run_unless_its_user_is_logged_on(
    machine: Machine, logged_on: str, user: str
) -> None:
    machine.set(logged_on=logged_on)
    assert start(machine, user=user) == 0x41303
    assert machine.instance("Farm 1").android == 0
    assert machine.tasks() == {}


def test_a_user_is_the_same_with_a_domain_and_without(machine: Machine) -> None:
    machine.set(logged_on=r"FARM\Operator")
    assert start(machine) == 0
    assert machine.instance("Farm 1").android == 1


def test_a_task_that_is_not_interactive_has_no_desktop(machine: Machine) -> None:
    start(machine, without="-LogonType Interactive")
    assert machine.instance("Farm 1").in_session_0
    assert machine.instance("Farm 1").vbox_pid == -1


def test_a_task_without_the_highest_rights_does_not_start_what_needs_them(machine: Machine) -> None:
    assert start(machine, without="-RunLevel Highest") == 0x41303
    assert machine.instance("Farm 1").android == 0
    machine.set(tasks_need_highest=False)
    start(machine, without="-RunLevel Highest")
    assert machine.instance("Farm 1").android == 1


def test_what_was_started_without_a_desktop_may_end_with_its_shell(peer: Peer) -> None:
    machine = peer.machine(
        instances=["a", Instance.running("b")], session_0="works", players_die_with_shell=True
    )
    with shell(machine) as opened:
        run(opened, machine.ldconsole_path, "launch", "--index", "0")
        assert machine.instance("a").android == 1
    assert machine.instance("a").android == 0
    assert machine.instance("b").android == 1
