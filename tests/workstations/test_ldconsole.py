"""ldconsole's commands over a real WinRM session, against a program with the real one's quirks."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.running import wait_for
from tests.workstations.peer import Instance as Simulated
from tests.workstations.peer import Machine, Peer
from workstations.exceptions import NoDesktop, RemoteExit
from workstations.ldplayer import exit_codes
from workstations.ldplayer.configs import read_configs
from workstations.ldplayer.ldconsole import Ldconsole
from workstations.ldplayer.list2 import Instance, state_of
from workstations.ldplayer.values import Resolution
from workstations.states import EmulatorState, Launch
from workstations.winrm import connect


class Told(list[tuple[str, str]]):
    """What was logged: level and text."""

    def __call__(self, text: str, level: str = "info") -> None:
        self.append((level, text))

    def having(self, part: str) -> list[str]:
        return [level for level, text in self if part in text]


@contextmanager
def at(machine: Machine, log: Told | None = None, **access: object) -> Iterator[Ldconsole]:
    with connect(machine.access(**access), deadline=time.monotonic() + 30) as host:
        yield Ldconsole(host, log=log if log is not None else Told())


def one(console: Ldconsole, index: int) -> Instance:
    return next(instance for instance in console.list2() if instance.index == index)


@pytest.mark.parametrize("columns", [10, 7])
def test_titles_come_through_whatever_they_hold(peer: Peer, columns: int) -> None:
    titles = ["Farm 1", "a,b", "it's", 'say "hi"', "雷电模拟器", " spaced ", "-1,0", ""]
    machine = peer.machine(instances=titles, columns=columns)
    with at(machine) as console:
        assert [instance.title for instance in console.list2()] == titles


@pytest.mark.parametrize("encoding", ["gbk", "utf-8"])
def test_output_is_decoded_and_what_came_is_kept(peer: Peer, encoding: str) -> None:
    machine = peer.machine(instances=["雷电"], encoding=encoding)
    told = Told()
    with at(machine, told) as console:
        assert console.list2()[0].title == "雷电"
    assert told.having("雷电") == ["debug"]
    assert told.having(repr("雷电".encode(encoding))[2:-1]) == ["debug"]


def test_what_no_encoding_takes_is_told_with_its_mend(peer: Peer) -> None:
    machine = peer.machine(instances=["café"], encoding="cp1252")  # é and the comma after it are no GBK
    told = Told()
    with at(machine, told) as console:
        console.list2()
    assert told.having("code page") == ["warning"]
    told.clear()
    with at(machine, told, code_page="cp1252") as console:
        assert console.list2()[0].title == "café"
    assert told.having("code page") == []


def test_what_is_no_list_is_not_taken_for_an_empty_one(peer: Peer) -> None:
    machine = peer.machine(instances=["Farm 1"])
    # Another program where ldconsole should be, which fails and prints no list.
    folder = machine.ldconsole_path.rpartition("\\")[0]
    with at(machine, ldconsole_path=rf"{folder}\powershell.exe") as console, pytest.raises(RemoteExit):
        console.list2()


def test_a_list_that_is_cut_in_the_middle_of_characters_is_whole(peer: Peer) -> None:
    titles = ["雷电模拟器" * 10] * 3
    machine = peer.machine(instances=[f"{title} {number}" for number, title in enumerate(titles)])
    machine.faults.chunk_bytes = 7
    with at(machine) as console:
        assert [one.title for one in console.list2()] == [f"{title} {n}" for n, title in enumerate(titles)]


def test_a_program_that_is_not_there_is_told_as_such(peer: Peer) -> None:
    machine = peer.machine(instances=["Farm 1"])
    with (
        at(machine, ldconsole_path=r"D:\Nowhere\ldconsole.exe") as console,
        pytest.raises(RemoteExit) as caught,
    ):
        console.list2()
    assert "path" in caught.value.detail


def test_each_command_does_what_it_says(peer: Peer) -> None:
    machine = peer.machine(instances=["Farm 1"])
    with at(machine) as console:
        assert console.add("Farm & 2").exit_code == 1
        assert one(console, 1).title == "Farm & 2"
        console.rename(1, "第二")
        assert one(console, 1).title == "第二"
        console.modify(1, processors=4, memory_mb=4096, resolution=Resolution(1280, 720, 240))
        changed = one(console, 1)
        assert (changed.width, changed.height, changed.dpi) == (1280, 720, 240)
        console.copy(1, "Farm 3")
        assert one(console, 2).title == "Farm 3"
        console.remove(1)
        assert [instance.index for instance in console.list2()] == [0, 2]
    assert machine.calls() == [
        ["add", "--name", "Farm & 2"],
        ["rename", "--index", "1", "--title", "第二"],
        ["modify", "--index", "1", "--resolution", "1280,720,240", "--cpu", "4", "--memory", "4096"],
        ["copy", "--name", "Farm 3", "--from", "1"],
        ["remove", "--index", "1"],
    ]


def test_an_emulator_that_runs_is_restarted_given_apps_and_ended(peer: Peer) -> None:
    machine = peer.machine(instances=[Simulated.running("Farm 1", index=0)])
    with at(machine) as console:
        console.installapp(0, package="com.example.app")
        console.adb(0, "shell getprop sys.boot_completed")
        console.reboot(0)
        console.quit(0)
        wait_for(lambda: one(console, 0).at_rest, 10, "its end")
    assert [call[0] for call in machine.calls()] == ["installapp", "reboot", "quit"]


def test_bad_values_are_refused_by_the_one_exit_code_that_is_believed(peer: Peer) -> None:
    machine = peer.machine(instances=["Farm 1"])
    with at(machine) as console, pytest.raises(RemoteExit) as caught:
        console.modify(0, memory_mb=3000)
    assert "-1005 (4294966291, a value that it does not take)" in caught.value.detail
    assert "parameter error!" in caught.value.detail


def test_other_exit_codes_are_handed_on_and_decide_nothing(peer: Peer) -> None:
    machine = peer.machine(instances=["Farm 1", "Farm 2"], copy_seconds=30.0)
    with at(machine) as console:
        assert console.copy(0, "Clone 1").exit_code == 0
        assert not one(console, 2).whole
        assert console.copy(0, "Clone 2").exit_code == exit_codes.COPY_UNDER_WAY
        assert console.remove(9).exit_code == exit_codes.NO_SUCH
        machine.set(ignores_modify=True)
        assert console.modify(1, processors=4).exit_code == 0
    assert machine.instance("Farm 2").cpu is None


def test_processors_and_memory_are_read_from_all_configs_by_one_script(peer: Peer) -> None:
    machine = peer.machine(instances=["fresh", Simulated("set", cpu=4, memory_mb=4096)])
    with connect(machine.access(), deadline=time.monotonic() + 30) as host:
        configs = read_configs(host)
    assert [(one.index, one.cpu, one.memory_mb) for one in configs.values()] == [
        (0, None, None),
        (1, 4, 4096),
    ]
    assert len(machine.commands) == 1


def test_a_start_gets_a_desktop_by_a_task_that_is_gone_afterwards(peer: Peer) -> None:
    machine = peer.machine(instances=["Farm 1"])
    told = Told()
    with at(machine, told) as console:
        console.launch(0)
        wait_for(lambda: state_of(one(console, 0)) is EmulatorState.RUNNING, 10, "its start")
    assert machine.tasks() == {}
    assert told.having("As a task on the desktop of operator") == ["info"]


def test_a_direct_start_has_no_desktop(peer: Peer) -> None:
    machine = peer.machine(instances=["Farm 1"], session_0="zombie")
    with at(machine, launch=Launch.DIRECT) as console:
        console.launch(0)
        wait_for(
            lambda: state_of(one(console, 0)) is EmulatorState.ZOMBIE, 10, "what it becomes in session 0"
        )
    assert not any("powershell" in command.line.lower() for command in machine.commands)


def test_a_start_with_nobody_logged_on_is_refused_at_once(peer: Peer) -> None:
    machine = peer.machine(instances=["Farm 1"], logged_on="")
    with at(machine) as console, pytest.raises(NoDesktop, match="Is operator logged on"):
        console.launch(0)
    assert machine.tasks() == {}


def test_a_path_with_spaces_is_started_too(peer: Peer) -> None:
    machine = peer.machine(instances=["Farm 1"])
    path = r"C:\Program Files (x86)\LD Player\ldconsole.exe"
    with machine.change() as state:
        state.ldconsole = path
    with at(machine, ldconsole_path=path) as console:
        console.launch(0)
        wait_for(lambda: state_of(one(console, 0)) is EmulatorState.RUNNING, 10, "its start")


def test_a_task_that_may_not_be_made_is_told_with_what_to_do(peer: Peer) -> None:
    machine = peer.machine(instances=["Farm 1"], task_scheduler=False)
    with at(machine) as console, pytest.raises(RemoteExit) as caught:
        console.launch(0)
    assert "Access is denied" in caught.value.detail
    assert "administrator" in caught.value.detail


def test_a_task_that_was_left_behind_is_replaced_by_the_next_start(peer: Peer) -> None:
    machine = peer.machine(instances=["Farm 1"], dies_before_task_is_deleted=True)
    with at(machine) as console, pytest.raises(RemoteExit):
        console.launch(0)
    assert list(machine.tasks()) == ["start-0"]
    machine.set(dies_before_task_is_deleted=False)
    with at(machine) as console:
        console.quit(0)
        console.launch(0)
    assert machine.tasks() == {}


def test_no_command_is_given_values_that_contradict(peer: Peer) -> None:
    machine = peer.machine(instances=["Farm 1"])
    with at(machine) as console:
        with pytest.raises(ValueError, match="Either"):
            console.installapp(0)
        with pytest.raises(ValueError, match="Nothing"):
            console.modify(0)
    assert machine.commands == []
