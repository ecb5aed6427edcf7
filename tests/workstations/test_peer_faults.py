"""Each fault of the network and of WinRM looks to a real client as the real one does."""

import socket
import time

import pytest
import requests
from pypsrp.exceptions import AuthenticationError, WinRMTransportError, WSManFaultError
from spnego.exceptions import SpnegoError

from tests.running import wait_for
from tests.workstations.peer import Machine, Peer
from tests.workstations.winrm_client import begin, run, shell

SAMPLE = r"C:\Peer\sample.exe"
LOST = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)


@pytest.fixture
def machine(peer: Peer) -> Machine:
    return peer.machine("pc-1")


def test_a_closed_port_refuses_and_an_opened_one_works_again(peer: Peer, machine: Machine) -> None:
    peer.close_port(machine)
    with pytest.raises(requests.ConnectionError, match="refused"), shell(machine):
        pass
    peer.open_port(machine)
    with shell(machine) as opened:
        assert run(opened, SAMPLE, "exit", "7").rc == 7


def test_closing_a_port_cuts_off_who_is_connected(peer: Peer, machine: Machine) -> None:
    with shell(machine) as opened:
        process = begin(opened, SAMPLE, "sleep", "30")
        peer.close_port(machine)
        with pytest.raises(requests.ConnectionError):
            process.poll_invoke()
    wait_for(lambda: not machine.open_connections, 5, "the connection is gone")


def test_a_wrong_port_does_not_speak_http(machine: Machine) -> None:
    machine.faults.not_http = True
    with pytest.raises(requests.ConnectionError), shell(machine):
        pass
    with socket.create_connection((machine.host, machine.port), 5) as client:
        assert client.recv(4) == b"SSH-"


def test_a_reset_at_once(machine: Machine) -> None:
    machine.faults.rst_at_accept = 1
    with pytest.raises(requests.ConnectionError, match=r"reset|aborted"), shell(machine):
        pass


def test_a_reset_in_the_middle_of_an_answer(machine: Machine) -> None:
    machine.faults.rst_in_receive = 1
    with shell(machine) as opened:
        process = begin(opened, SAMPLE, "print", "10000")
        with pytest.raises(LOST):
            process.poll_invoke()
    assert machine.faults.rst_in_receive == 0


@pytest.mark.parametrize("action", ["Create", "Command"])
def test_a_reset_before_anything_was_done(machine: Machine, action: str) -> None:
    machine.faults.rst_before = {action: 1}
    with pytest.raises(LOST), shell(machine) as opened:
        begin(opened, SAMPLE, "exit", "0")
    assert machine.commands == []


def test_a_reset_after_it_was_done(machine: Machine) -> None:
    machine.faults.rst_in = {"Create": 1}
    with pytest.raises(LOST), shell(machine):
        pass
    assert len(machine.open_shells) == 1


def test_a_stall_lasts_until_the_client_gives_up(machine: Machine) -> None:
    machine.faults.stall_in = {"Create": -1}
    began = time.monotonic()
    with pytest.raises(requests.ReadTimeout), shell(machine, read_timeout=1):
        pass
    assert time.monotonic() - began < 5
    wait_for(lambda: not machine.threads, 5, "the peer has noticed")


def test_a_stall_before_the_login(machine: Machine) -> None:
    machine.faults.stall_in = {"Connect": 1}
    with pytest.raises(requests.ReadTimeout), shell(machine, read_timeout=1):
        pass


def test_a_stall_that_ends_gives_the_answer(machine: Machine) -> None:
    machine.faults.stall_in_receive, machine.faults.stall_seconds = 1, 0.5
    with shell(machine) as opened:
        assert run(opened, SAMPLE, "exit", "7").rc == 7


@pytest.mark.parametrize(("fault", "status"), [("unavailable", 503), ("redirect", None), ("html", None)])
def test_an_answer_that_is_not_winrm(machine: Machine, fault: str, status: int | None) -> None:
    setattr(machine.faults, fault, -1)
    with pytest.raises(Exception) as error, shell(machine, read_timeout=2):  # noqa: PT011  (each its own)
        pass
    if status is not None:
        assert isinstance(error.value, WinRMTransportError)
        assert error.value.code == status


@pytest.mark.parametrize(
    ("fault", "code"),
    [("quota_on_create", 2150859173), ("quota_on_command", 2150859174), ("access_denied", 5)],
)
def test_faults_of_winrm_itself(machine: Machine, fault: str, code: int) -> None:
    setattr(machine.faults, fault, 1)
    with pytest.raises(WSManFaultError) as error, shell(machine) as opened:
        begin(opened, SAMPLE, "exit", "0")
    assert error.value.code == code
    with shell(machine) as opened:
        assert run(opened, SAMPLE, "exit", "7").rc == 7


def test_a_shell_that_has_expired(machine: Machine) -> None:
    machine.faults.expired_shell = 1
    with pytest.raises(WSManFaultError) as error, shell(machine) as opened:
        begin(opened, SAMPLE, "exit", "0")
    assert error.value.code == 2150858843
    assert machine.open_shells == []


def test_a_seal_that_is_broken(machine: Machine) -> None:
    machine.faults.broken_seal = 1
    with pytest.raises(SpnegoError), shell(machine):
        pass


def test_a_password_that_was_changed_meanwhile(machine: Machine) -> None:
    with shell(machine) as opened:
        machine.change_password("another")
        with pytest.raises(AuthenticationError):
            run(opened, SAMPLE, "exit", "0")
    with shell(machine) as opened:
        assert run(opened, SAMPLE, "exit", "7").rc == 7


def test_no_login_but_basic_is_offered(machine: Machine) -> None:
    machine.accepts_negotiate = False
    with pytest.raises(AuthenticationError, match="Basic"), shell(machine):
        pass


def test_much_output_comes_in_a_hundred_chunks_that_cut_characters(machine: Machine) -> None:
    machine.faults.chunk_bytes = 7
    text = "日本語のテキスト" * 30
    with shell(machine) as opened:
        process = run(opened, SAMPLE, "hex", text.encode().hex())
    assert process.stdout.decode() == text
    assert machine.actions.count("Receive") >= 100


def test_several_megabytes_arrive_whole(machine: Machine) -> None:
    with shell(machine) as opened:
        assert len(run(opened, SAMPLE, "print", "3000000").stdout) == 3_000_000
