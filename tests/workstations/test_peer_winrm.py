"""Real WinRM clients work with a simulated machine as with a Windows one."""

import threading
import time
from pathlib import Path

import httpx
import pytest
from pypsrp.exceptions import AuthenticationError, WSManFaultError
from pypsrp.shell import CommandState, SignalCode, WinRS
from winrm.protocol import Protocol

from tests.running import wait_for
from tests.workstations.peer import Instance, Machine, Peer
from tests.workstations.peer.certificates import authority, certificate
from tests.workstations.winrm_client import begin, run, shell, wsman

SAMPLE = r"C:\Peer\sample.exe"
OPERATION_TIMEOUT, SHELL_NOT_FOUND = 2150858793, 2150858843
TOO_MANY_SHELLS, TOO_MANY_OPERATIONS, NO_FILE = 2150859173, 2150859174, 2147942402


@pytest.fixture
def machine(peer: Peer) -> Machine:
    return peer.machine("pc-1", instances=["Farm 1", "商店", Instance.running("Chat, two")])


@pytest.mark.parametrize("auth", ["ntlm", "negotiate"])
def test_pypsrp_logs_in_encrypts_and_reads_output(machine: Machine, auth: str) -> None:
    with shell(machine, auth=auth) as opened:
        listed = run(opened, machine.ldconsole_path, "list2")
        added = run(opened, machine.ldconsole_path, "add", "--name", "Farm3")
        assert len(machine.open_shells) == 1
    assert listed.rc == 0
    assert listed.stdout.decode("gbk").splitlines()[1] == "1,商店,0,0,0,-1,-1,960,540,160"
    assert added.rc == 3
    assert machine.open_shells == []
    assert machine.actions[0] == "Create"
    assert machine.actions[-1] == "Delete"


def test_pywinrm_a_second_client_works_too(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    client = Protocol(
        f"http://{machine.host}:{machine.port}/wsman",
        transport="ntlm",
        username=machine.username,
        password=machine.password,
        message_encryption="always",
        proxy=None,
    )
    shell_id = client.open_shell()
    try:
        command = client.run_command(shell_id, SAMPLE, ["error", "went", "wrong"], skip_cmd_shell=True)
        assert client.get_command_output(shell_id, command) == (b"", b"went wrong", 1)
        client.cleanup_command(shell_id, command)
        command = client.run_command(shell_id, SAMPLE, ["exit", "4294966291"], skip_cmd_shell=True)
        assert client.get_command_output(shell_id, command) == (b"", b"", 4294966291)
    finally:
        client.close_shell(shell_id)
        client.transport.close_session()
    assert machine.open_shells == []


@pytest.mark.parametrize("auth", ["ntlm", "negotiate"])
def test_a_wrong_password_is_refused(machine: Machine, auth: str) -> None:
    with pytest.raises(AuthenticationError), shell(machine, auth=auth, password="wrong"):
        pass
    assert machine.failed_logins >= 1
    assert machine.actions == []


def test_a_user_that_is_none_is_refused(machine: Machine) -> None:
    machine.username = "nobody"
    with pytest.raises(AuthenticationError), shell(machine):
        pass


@pytest.mark.parametrize("username", [r"FARM\operator", "operator@farm.example", "Оператор"])
def test_users_are_written_in_every_way_that_windows_has(peer: Peer, username: str) -> None:
    machine = peer.machine(username=username)
    with shell(machine) as opened:
        assert run(opened, SAMPLE, "exit", "7").rc == 7


def test_a_password_of_any_characters_is_taken(peer: Peer) -> None:
    machine = peer.machine(password='p:a"s\\s — 密码 ')
    with shell(machine) as opened:
        assert run(opened, SAMPLE, "exit", "7").rc == 7


def test_basic_and_unencrypted_requests_are_never_served(machine: Machine) -> None:
    url = f"http://{machine.host}:{machine.port}/wsman"
    with httpx.Client(trust_env=False) as client:
        basic = client.post(url, content=b"<x/>", auth=(machine.username, machine.password))
        plain = client.post(url, content=b"<x/>")
    assert basic.status_code == plain.status_code == 401
    assert basic.headers["www-authenticate"] == "Negotiate, NTLM"
    assert machine.actions == []


def test_tls_is_spoken_and_the_login_bound_to_its_certificate(peer: Peer, tmp_path: Path) -> None:
    machine = peer.machine(certificate=certificate())
    trusted = tmp_path / "authority.pem"
    trusted.write_text(authority())
    with shell(machine, auth="negotiate", verify=str(trusted)) as opened:
        assert run(opened, SAMPLE, "exit", "7").rc == 7
    assert machine.channel_bindings is not None
    machine.channel_bindings = certificate().bindings
    with pytest.raises(AuthenticationError), shell(machine, verify=str(trusted)):
        pass


def test_one_shell_has_several_commands_at_once(machine: Machine) -> None:
    with shell(machine) as opened:
        slow = begin(opened, SAMPLE, "sleep", "0.3")
        quick = run(opened, SAMPLE, "print", "3")
        slow.end_invoke()
    assert (slow.stdout, quick.stdout) == (b"slept", b"xxx")


def test_arguments_arrive_as_windows_parses_them(machine: Machine) -> None:
    with shell(machine) as opened:
        unquoted = run(opened, SAMPLE, "args", "a b", "c")
        quoted = run(opened, SAMPLE, "args", '"a b"', r'"say \"hi\""')
    assert unquoted.stdout == b'["a", "b", "c"]'
    assert quoted.stdout == b'["a b", "say \\"hi\\""]'


def test_standard_input_reaches_the_program(machine: Machine) -> None:
    with shell(machine) as opened:
        process = begin(opened, SAMPLE, "echo")
        process.send("日本 ".encode(), end=False)
        process.send(b"end")
        process.end_invoke()
    assert process.stdout == "日本 end".encode()


def test_output_comes_while_the_program_runs(machine: Machine) -> None:
    with shell(machine) as opened:
        process = begin(opened, SAMPLE, "lines", "3", "0.15")
        process.poll_invoke()
        assert process.stdout.startswith(b"line 0")
        assert process.state == CommandState.RUNNING
        process.end_invoke()
    assert process.stdout == b"line 0\r\nline 1\r\nline 2\r\n"


def test_a_command_without_output_lets_the_client_ask_again(machine: Machine) -> None:
    with shell(machine) as opened:
        process = begin(opened, SAMPLE, "sleep", "30")
        began = time.monotonic()
        with pytest.raises(WSManFaultError) as fault:
            opened.receive(command_id=process.id, timeout=1)
        assert fault.value.code == OPERATION_TIMEOUT
        assert 0.9 < time.monotonic() - began < 3


def test_a_signal_ends_a_command_and_its_process(machine: Machine) -> None:
    with shell(machine) as opened:
        process = begin(opened, SAMPLE, "sleep", "30")
        assert len(machine.running_commands) == 1
        process.signal(SignalCode.TERMINATE)
        assert machine.running_commands == []
        process.end_invoke()
        assert process.rc == 1223


def test_what_runs_in_a_shell_dies_with_it(machine: Machine) -> None:
    with shell(machine) as opened:
        begin(opened, SAMPLE, "sleep", "30")
    assert machine.commands[-1].exit_code == 1223


def test_too_many_shells_and_commands_are_refused(machine: Machine) -> None:
    machine.quotas.shells, machine.quotas.processes_per_shell, machine.quotas.operations = 1, 1, 2
    with shell(machine) as opened:
        with pytest.raises(WSManFaultError) as fault, shell(machine):
            pass
        assert fault.value.code == TOO_MANY_SHELLS
        slow = begin(opened, SAMPLE, "sleep", "0.3")
        with pytest.raises(WSManFaultError) as fault:
            begin(opened, SAMPLE, "exit", "0")
        assert fault.value.code == TOO_MANY_OPERATIONS
        slow.end_invoke()
        run(opened, SAMPLE, "exit", "0")
        with pytest.raises(WSManFaultError) as fault:
            begin(opened, SAMPLE, "exit", "0")
        assert fault.value.code == TOO_MANY_OPERATIONS


def test_an_idle_shell_expires(machine: Machine) -> None:
    with wsman(machine) as connection:
        opened = WinRS(connection, idle_time_out=1)
        opened.open()
        wait_for(lambda: not machine.open_shells, 5, "the shell has expired")
        with pytest.raises(WSManFaultError) as fault:
            begin(opened, SAMPLE, "exit", "0")
        assert fault.value.code == SHELL_NOT_FOUND


def test_a_program_that_is_not_there_is_told(machine: Machine) -> None:
    with shell(machine) as opened, pytest.raises(WSManFaultError) as fault:
        begin(opened, r"C:\Elsewhere\ldconsole.exe", "list2")
    assert fault.value.code == NO_FILE


def test_nothing_is_left_when_the_peer_ends() -> None:
    before = set(threading.enumerate())
    with Peer() as peer:
        machine = peer.machine()
        with wsman(machine) as connection:
            opened = WinRS(connection)
            opened.open()
            begin(opened, SAMPLE, "sleep", "60")
            peer.close()
    assert set(threading.enumerate()) == before
    assert machine.commands[0].exit_code is not None
