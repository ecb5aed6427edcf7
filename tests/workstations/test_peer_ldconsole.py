"""The fake ldconsole does what was measured on real ones, and every oddity of theirs on demand."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.running import wait_for
from tests.workstations.peer import Instance, Machine, Peer, program
from tests.workstations.peer.machine_directory import MachineDirectory
from tests.workstations.peer.program import Call, Outcome

NO_SUCH, BAD_VALUE = 4294966296, 4294966291


class Desktop:
    """Somebody at the desktop of a machine who types commands for ldconsole."""

    def __init__(self, peer: Peer, directory: Path) -> None:
        self._peer = peer
        self._directory = directory
        self.machine: Machine

    def with_instances(self, *instances: str | Instance, **quirks: Any) -> "Desktop":
        self.machine = self._peer.machine("pc", instances=instances, **quirks)
        return self

    def do(self, *arguments: str, session: str = program.DESKTOP) -> Outcome:
        return program.run(
            "ldconsole", Call(MachineDirectory(self._directory / "pc"), list(arguments), session)
        )

    def listed(self) -> list[str]:
        return self.do("list2").stdout.decode("gbk").splitlines()


@pytest.fixture
def desktop(tmp_path: Path) -> Iterator[Desktop]:
    with Peer(directory=tmp_path) as peer:
        yield Desktop(peer, tmp_path)


def test_the_list_has_ten_columns_or_seven_and_quotes_nothing(desktop: Desktop) -> None:
    desktop.with_instances("Farm, old", 'The "big" one', Instance.running("商店"))
    assert desktop.listed() == [
        "0,Farm, old,0,0,0,-1,-1,960,540,160",
        '1,The "big" one,0,0,0,-1,-1,960,540,160',
        "2,商店,75544,75546,1,5004,5005,960,540,160",
    ]
    desktop.machine.set(columns=7)
    assert desktop.listed()[2] == "2,商店,75544,75546,1,5004,5005"


def test_titles_are_printed_in_the_encoding_that_is_asked_for(desktop: Desktop) -> None:
    desktop.with_instances("商店 é", encoding="utf-8")
    assert "商店 é".encode() in desktop.do("list2").stdout
    desktop.machine.set(encoding="cp1258")
    assert b"?? \xe9" in desktop.do("list2").stdout


def test_adding_returns_the_index_and_fills_holes(desktop: Desktop) -> None:
    desktop.with_instances("a", "b", "c")
    assert desktop.do("remove", "--index", "1").exit_code == 0
    assert desktop.do("add", "--name", "d").exit_code == 1
    assert desktop.do("add").exit_code == 3
    assert [one.title for one in desktop.machine.instances()] == ["a", "d", "c", "LDPlayer-3"]


def test_a_launch_is_starting_for_as_many_readings_as_is_said(desktop: Desktop) -> None:
    desktop.with_instances("a", boot_polls=2)
    desktop.do("launch", "--index", "0")
    states = [desktop.listed()[0].split(",")[4:7] for _ in range(3)]
    assert [state[0] for state in states] == ["2", "2", "1"]
    assert states[0][2] == "-1"
    assert int(states[2][2]) > 0


def test_a_launch_takes_as_many_seconds_as_is_said(desktop: Desktop) -> None:
    desktop.with_instances("a", boot_seconds=0.3)
    began = time.monotonic()
    desktop.do("launch", "--name", "a")
    assert desktop.machine.instance("a").android == 2
    wait_for(lambda: desktop.machine.instance("a").android == 1, 5, "it has started")
    assert time.monotonic() - began >= 0.3


@pytest.mark.parametrize(
    ("session_0", "android", "has_vm"), [("zombie", 1, False), ("nothing", 0, False), ("works", 1, True)]
)
def test_a_launch_without_a_desktop(desktop: Desktop, session_0: str, android: int, has_vm: bool) -> None:
    desktop.with_instances("a", session_0=session_0)
    desktop.do("launch", "--index", "0", session=program.SERVICES)
    found = desktop.machine.instance("a")
    assert (found.android, found.vbox_pid > 0) == (android, has_vm)


def test_a_wedged_virtualbox_makes_zombies(desktop: Desktop) -> None:
    desktop.with_instances("a", boots_without_vm=True)
    desktop.do("launch", "--index", "0")
    assert desktop.listed()[0].split(",")[4:7:2] == ["1", "-1"]


def test_processes_outlive_a_quit(desktop: Desktop) -> None:
    desktop.with_instances(Instance.running("a"), quit_seconds=0.3)
    desktop.do("quit", "--index", "0")
    found = desktop.machine.instance("a")
    assert (found.android, found.pid > 0) == (0, True)
    wait_for(lambda: desktop.machine.instance("a").pid == -1, 5, "its process is gone")


def test_a_quit_may_do_nothing(desktop: Desktop) -> None:
    desktop.with_instances(Instance.running("a"), ignores_quit=True)
    assert desktop.do("quit", "--index", "0").exit_code == 0
    assert desktop.machine.instance("a").android == 1


def test_a_reboot_gives_new_processes(desktop: Desktop) -> None:
    desktop.with_instances(Instance.running("a"))
    before = desktop.machine.instance("a").pid
    desktop.do("reboot", "--index", "0")
    assert desktop.machine.instance("a").android == 1
    assert desktop.machine.instance("a").pid != before


def test_a_copy_goes_on_in_the_background_and_a_second_one_is_half(desktop: Desktop) -> None:
    desktop.with_instances("a", copy_seconds=0.4)
    assert desktop.do("copy", "--name", "b", "--from", "0").exit_code == 0
    assert desktop.do("copy", "--name", "c", "--from", "0").exit_code == 3
    assert [line.rpartition("-1,-1,")[2] for line in desktop.listed()] == ["960,540,160", "0,0,0", "0,0,0"]
    wait_for(lambda: desktop.listed()[1].endswith("960,540,160"), 5, "the copy is whole")
    assert desktop.listed()[2].endswith("0,0,0")


def test_a_copy_of_what_runs_or_is_still_held_is_half(desktop: Desktop) -> None:
    desktop.with_instances(Instance.running("a"), settle_seconds=60)
    desktop.do("copy", "--name", "b", "--from", "a")
    desktop.do("quit", "--index", "0")
    desktop.do("copy", "--name", "c", "--from", "a")
    assert [one.half for one in desktop.machine.instances()] == [False, True, True]


def test_a_copy_from_nothing_prints_the_help(desktop: Desktop) -> None:
    outcome = desktop.with_instances("a").do("copy", "--name", "b", "--from", "9")
    assert outcome.exit_code == NO_SUCH
    assert b"Usage" in outcome.stdout


def test_digits_name_an_index_to_copy_from_never_a_title(desktop: Desktop) -> None:
    desktop.with_instances("1", "b")
    desktop.do("copy", "--name", "c", "--from", "1")
    desktop.do("modify", "--index", "1", "--cpu", "4")
    assert desktop.do("copy", "--name", "d", "--from", "1").exit_code == 0
    assert desktop.machine.instance("d").cpu == 4


def test_a_removed_one_may_come_back_empty(desktop: Desktop) -> None:
    desktop.with_instances("a", "b", recreates_after_remove=2)
    titles = []
    for _ in range(3):
        desktop.do("remove", "--index", "1")
        titles.append([one.title for one in desktop.machine.instances()])
    assert titles == [["a", "LDPlayer-1"], ["a", "LDPlayer-1"], ["a"]]


def test_a_running_one_is_not_removed(desktop: Desktop) -> None:
    desktop.with_instances(Instance.running("a"))
    assert desktop.do("remove", "--index", "0").exit_code > 2**31
    assert desktop.do("remove", "--index", "9").exit_code == NO_SUCH
    assert len(desktop.machine.instances()) == 1


@pytest.mark.parametrize("value", ["0", "5", "x", "-1", "2,"])
def test_modify_refuses_a_bad_value_and_says_so_on_stdout(desktop: Desktop, value: str) -> None:
    outcome = desktop.with_instances("a").do("modify", "--index", "0", "--cpu", value)
    assert (outcome.exit_code, outcome.stdout, outcome.stderr) == (BAD_VALUE, b"parameter error!", b"")


def test_modify_changes_what_is_stopped(desktop: Desktop) -> None:
    desktop.with_instances("a")
    desktop.do("modify", "--index", "0", "--cpu", "4", "--memory", "4096", "--resolution", "1280,720,240")
    found = desktop.machine.instance("a")
    assert (found.cpu, found.memory_mb, found.width, found.height, found.dpi) == (4, 4096, 1280, 720, 240)


@pytest.mark.parametrize(
    ("instance", "arguments", "quirks"),
    [
        (Instance.running("a"), ("--index", "0", "--cpu", "4"), {}),
        (Instance("a"), ("--index", "9", "--cpu", "4"), {}),
        (Instance("a"), ("--index", "0", "--processors", "4"), {}),
        (Instance("a"), ("--index", "0", "--cpu", "4"), {"ignores_modify": True}),
    ],
)
def test_modify_silently_does_nothing(
    desktop: Desktop, instance: Instance, arguments: tuple[str, ...], quirks: dict[str, bool]
) -> None:
    desktop.with_instances(instance, **quirks)
    assert desktop.do("modify", *arguments) == Outcome(0)
    assert desktop.machine.instance("a").cpu in (None, 2)


def test_renaming_takes_any_title_and_may_do_nothing(desktop: Desktop) -> None:
    desktop.with_instances("a")
    assert desktop.do("rename", "--index", "0", "--title", "b, c").exit_code == 0
    assert desktop.machine.instances()[0].title == "b, c"
    desktop.machine.set(ignores_rename=True)
    assert desktop.do("rename", "--index", "0", "--title", "d").exit_code == 0
    assert desktop.machine.instances()[0].title == "b, c"
    assert desktop.do("rename", "--index", "9", "--title", "d").exit_code == NO_SUCH


def test_apps_are_installed_from_a_file_and_seen_through_adb(desktop: Desktop) -> None:
    desktop.with_instances(Instance.running("a"))
    with desktop.machine.change() as state:
        state.files[r"C:\apks\notes.apk"] = "org.example.notes"
    for path in (r"C:\apks\missing.apk", r"C:\apks\notes.apk"):
        desktop.do("installapp", "--index", "0", "--filename", path)
    packages = desktop.do("adb", "--index", "0", "--command", "shell pm list packages org.example")
    assert packages.stdout == b"package:org.example.notes\r\n"


def test_an_unknown_command_prints_the_help_and_returns_0(desktop: Desktop) -> None:
    outcome = desktop.with_instances("a").do("explode", "--index", "0")
    assert outcome.exit_code == 0
    assert b"Usage" in outcome.stdout


def test_many_processes_at_once_lose_nothing(desktop: Desktop) -> None:
    from concurrent.futures import ThreadPoolExecutor

    desktop.with_instances("a")
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda number: desktop.do("add", "--name", f"n{number}").exit_code, range(40)))
    assert sorted(codes) == list(range(1, 41))
    assert len({one.index for one in desktop.machine.instances()}) == 41
