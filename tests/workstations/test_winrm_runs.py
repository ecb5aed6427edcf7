"""Programs run on a workstation over real sockets, by the real pypsrp, and what they print arrives."""

import json
import threading
from typing import Any

import pytest

from tests.running import wait_for
from tests.workstations.peer import Machine, Peer
from tests.workstations.winrm_sessions import SAMPLE, nothing_left_of, session
from workstations.exceptions import ArgumentRefused, OutputNotUnderstood, PasswordMissing
from workstations.winrm import shell as shells
from workstations.winrm.decoding import decoded


@pytest.fixture
def machine(peer: Peer) -> Machine:
    return peer.machine(instances=["LDPlayer", "雷电,模拟器"])


def test_ldconsole_answers_in_its_own_bytes(machine: Machine) -> None:
    with nothing_left_of(machine), session(machine) as host:
        output = host.run(machine.ldconsole_path, ["list2"], timeout=20)
    assert (output.exit_code, output.stderr) == (0, b"")
    assert decoded(output.stdout, "").encoding == "gbk"
    assert "1,雷电,模拟器,0,0,0,-1,-1" in decoded(output.stdout, "").text


def test_nothing_is_connected_before_the_first_run(machine: Machine) -> None:
    with session(machine) as host:
        assert not host.opened
    assert machine.requests == 0


def test_a_session_has_one_login_and_one_shell(machine: Machine) -> None:
    with nothing_left_of(machine), session(machine) as host:
        for number in range(5):
            assert host.run(SAMPLE, ["exit", str(number)], timeout=20).exit_code == number
        assert machine.open_connections == 1
        assert len(machine.open_shells) == 1
    assert machine.actions.count("Create") == machine.actions.count("Delete") == 1
    assert machine.actions.count("Signal") == 4, "each is released before the next, the last with the shell"
    assert len(machine.commands) == 5


def test_arguments_arrive_as_they_are(machine: Machine) -> None:
    arguments = ["a b", "", "雷电", "a&b|c", "back\\slash\\", 'say "hi"', "100%", "(x)^!", "--title=x"]
    with session(machine) as host:
        output = host.run(SAMPLE, ["args", *arguments], timeout=20)
    assert json.loads(output.stdout) == arguments


def test_exit_codes_are_what_windows_shows(machine: Machine) -> None:
    machine.set(signed_exit_codes=True)
    with session(machine) as host:
        assert host.run(SAMPLE, ["exit", "4294966291"], timeout=20).exit_code == 4294966291


def test_both_streams_and_standard_input_are_passed_on(machine: Machine) -> None:
    text = bytes(range(256)) * 1200
    with session(machine) as host:
        output = host.run(SAMPLE, ["echo"], timeout=30, stdin=text)
        assert output.stdout == text
        output = host.run(SAMPLE, ["error", "no", "such", "thing"], timeout=20)
        assert (output.exit_code, output.stdout, output.stderr) == (1, b"", b"no such thing")
    assert machine.actions.count("Send") > 1


def test_a_huge_output_comes_whole_in_a_hundred_pieces(machine: Machine) -> None:
    machine.faults.chunk_bytes = 3000
    with nothing_left_of(machine), session(machine) as host:
        output = host.run(SAMPLE, ["print", "300000"], timeout=30)
    assert output.stdout == b"x" * 300_000
    assert machine.actions.count("Receive") >= 100


def test_characters_that_are_cut_in_two_are_whole_again(machine: Machine) -> None:
    machine.faults.chunk_bytes = 1
    text = "雷电模拟器é😀"
    with session(machine) as host:
        assert host.run(SAMPLE, ["hex", text.encode().hex()], timeout=30).stdout.decode() == text
        assert host.run(SAMPLE, ["hex", text[:5].encode("gbk").hex()], timeout=30).stdout == text[:5].encode(
            "gbk"
        )


def test_an_output_without_end_is_told_to_stop(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shells, "MOST_OUTPUT", 100_000)
    with nothing_left_of(machine), session(machine) as host:
        with pytest.raises(OutputNotUnderstood, match="printed more than"):
            host.run(SAMPLE, ["print", "900000"], timeout=30)
        assert host.run(SAMPLE, ["exit", "3"], timeout=20).exit_code == 3


def test_a_program_that_prints_nothing_for_long_is_waited_for(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shells, "OPERATION_SECONDS", 1)
    with session(machine) as host:
        assert host.run(SAMPLE, ["sleep", "2.5"], timeout=30).stdout == b"slept"
    assert machine.actions.count("Receive") >= 3


def test_a_script_is_run_by_powershell(machine: Machine) -> None:
    with session(machine) as host:
        output = host.powershell("# medimgr: system-info\n", timeout=20)
    assert json.loads(output.stdout)["os"]["name"].startswith("Microsoft Windows")
    assert "-NonInteractive" in machine.commands[-1].arguments


def test_a_script_that_no_command_line_takes_is_refused_before_anything_is_sent(machine: Machine) -> None:
    with session(machine) as host, pytest.raises(ArgumentRefused, match="characters long"):
        host.powershell("# medimgr: system-info\n" + "$x = 1\n" * 500, timeout=20)
    assert machine.requests == 0


def test_a_shell_that_has_had_many_commands_is_replaced(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shells, "MOST_COMMANDS", 3)
    with nothing_left_of(machine), session(machine) as host:
        for _ in range(7):
            host.run(SAMPLE, ["exit", "0"], timeout=20)
            assert len(machine.open_shells) == 1
    assert machine.actions.count("Create") == machine.actions.count("Delete") == 3


def test_a_quota_of_commands_that_the_shell_has_used_up_is_met_by_a_new_shell(machine: Machine) -> None:
    machine.quotas.operations = 2
    with nothing_left_of(machine), session(machine) as host:
        for number in range(5):
            assert host.run(SAMPLE, ["exit", str(number)], timeout=20).exit_code == number
    assert machine.actions.count("Create") == 3


def test_a_connection_that_was_closed_while_idle_is_made_anew(machine: Machine) -> None:
    with nothing_left_of(machine), session(machine) as host:
        host.run(SAMPLE, ["exit", "0"], timeout=20)
        for connection in list(machine.connections):
            connection.shutdown(2)
        wait_for(lambda: machine.open_connections == 0, 10, "the machine has hung up")
        assert host.run(SAMPLE, ["exit", "4"], timeout=20).exit_code == 4
    assert machine.actions.count("Create") == 1, "the shell outlives the connection"


def test_a_session_belongs_to_one_thread(machine: Machine) -> None:
    refused = []
    with session(machine) as host:

        def use() -> None:
            try:
                host.run(SAMPLE, ["exit", "0"], timeout=20)
            except RuntimeError as error:
                refused.append(str(error))

        thread = threading.Thread(target=use)
        thread.start()
        thread.join(20)
    assert refused == ["A session with a workstation belongs to the thread that made it."]


def test_sessions_of_several_threads_do_not_disturb_each_other(machine: Machine) -> None:
    codes: list[int] = []

    def use(number: int) -> None:
        with session(machine) as host:
            codes.extend(host.run(SAMPLE, ["exit", str(number)], timeout=30).exit_code for _ in range(3))

    with nothing_left_of(machine):
        threads = [threading.Thread(target=use, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert sorted(codes) == sorted(list(range(6)) * 3)


@pytest.mark.parametrize(("field", "word"), [("username", "user name"), ("password", "password")])
def test_nothing_is_sent_without_a_name_and_a_password(machine: Machine, field: str, word: str) -> None:
    changes: dict[str, Any] = {field: ""}
    with session(machine, **changes) as host, pytest.raises(PasswordMissing, match=f"no {word}"):
        host.run(SAMPLE, ["exit", "0"], timeout=20)
    assert machine.requests == 0
