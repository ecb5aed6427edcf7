"""Scheduled tasks of a simulated machine run on the desktop of who is logged on, or not at all."""

import pytest

from tests.workstations.peer import Instance, Machine, Peer
from tests.workstations.winrm_client import run, shell

LAUNCH = '"\\"C:\\LDPlayer\\LDPlayer9\\ldconsole.exe\\" launch --index 0"'


@pytest.fixture
def machine(peer: Peer) -> Machine:
    return peer.machine("pc-1", instances=["Farm 1"])


def create(
    machine: Machine, *options: str, line: str = LAUNCH, user: str = "operator", level: str = "HIGHEST"
) -> tuple[int, bytes]:
    with shell(machine) as opened:
        done = run(
            opened, "schtasks.exe", "/Create", "/TN", "t-1", "/TR", line, "/SC", "ONCE", "/ST", "00:00",
            "/RU", user, "/RL", level, *options,
        )  # fmt: skip
        return done.rc or 0, done.stdout + done.stderr


def task(machine: Machine, *arguments: str) -> int | None:
    with shell(machine) as opened:
        return run(opened, "schtasks.exe", *arguments).rc


def test_a_task_starts_an_emulator_on_the_desktop_and_goes(machine: Machine) -> None:
    assert create(machine, "/IT", "/F")[0] == 0
    assert task(machine, "/Run", "/TN", "t-1") == 0
    assert task(machine, "/Delete", "/TN", "t-1", "/F") == 0
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
    create(machine, "/IT", "/F", user=user)
    assert task(machine, "/Run", "/TN", "t-1") == 0
    assert machine.instance("Farm 1").android == 0
    assert machine.tasks()["t-1"].runs == 0


def test_a_user_is_the_same_with_a_domain_and_without(machine: Machine) -> None:
    machine.set(logged_on=r"FARM\Operator")
    create(machine, "/IT", "/F", user="operator")
    task(machine, "/Run", "/TN", "t-1")
    assert machine.instance("Farm 1").android == 1


def test_a_task_that_is_not_interactive_has_no_desktop(machine: Machine) -> None:
    create(machine, "/F")
    task(machine, "/Run", "/TN", "t-1")
    assert machine.instance("Farm 1").in_session_0
    assert machine.instance("Farm 1").vbox_pid == -1


def test_a_task_without_the_highest_rights_does_not_start_what_needs_them(machine: Machine) -> None:
    create(machine, "/IT", "/F", level="LIMITED")
    task(machine, "/Run", "/TN", "t-1")
    assert machine.instance("Farm 1").android == 0
    machine.set(tasks_need_highest=False)
    task(machine, "/Run", "/TN", "t-1")
    assert machine.instance("Farm 1").android == 1


def test_bad_words_are_refused(machine: Machine) -> None:
    assert create(machine, "/F", line="x" * 262)[0] == 1
    assert create(machine, "nonsense")[0] == 1
    assert task(machine, "/Run", "/TN", "none") == 1
    assert create(machine, "/F")[0] == 0
    assert create(machine) == (1, b'ERROR: The task name "t-1" already exists.\r\n')
    assert task(machine, "/Delete", "/TN", "t-1") == 1
    machine.set(task_scheduler=False)
    assert create(machine, "/F") == (1, b"ERROR: Access is denied.\r\n")


def test_a_password_may_be_wanted_for_a_task(machine: Machine) -> None:
    machine.set(asks_task_password=True)
    code, output = create(machine, "/IT", "/F")
    assert code == 1
    assert output.startswith(b"Please enter the run as password for operator")


def test_what_was_started_without_a_desktop_may_end_with_its_shell(peer: Peer) -> None:
    machine = peer.machine(
        instances=["a", Instance.running("b")], session_0="works", players_die_with_shell=True
    )
    with shell(machine) as opened:
        run(opened, machine.ldconsole_path, "launch", "--index", "0")
        assert machine.instance("a").android == 1
    assert machine.instance("a").android == 0
    assert machine.instance("b").android == 1
