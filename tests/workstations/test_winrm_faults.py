"""Whatever goes wrong on the way ends a run with an exception of its own that says what to do.

And nothing is left: no thread, no descriptor, no connection, no command, no shell.
"""

import copy
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.running import free_port
from tests.silent_listener import silent_listener
from tests.workstations.peer import Machine, Peer
from tests.workstations.winrm_sessions import SAMPLE, nothing_left_of, session
from workstations.exceptions import (
    AuthenticationFailure,
    ConnectionLost,
    ProtocolFailure,
    QuotaExceeded,
    Refused,
    RemoteExit,
    RemoteFailure,
    ShellGone,
    UnknownHost,
    Unreachable,
)
from workstations.states import Auth
from workstations.winrm import dialing
from workstations.winrm import shell as shells

FOR_EVER = -1
SOON = 12.0


@pytest.fixture
def machine(peer: Peer) -> Machine:
    return peer.machine("pc-7")


@pytest.fixture
def short_silences(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take silences for what they are after a second. Not everywhere: a busy machine has some."""
    monkeypatch.setattr(shells, "SILENCE_SECONDS", 1.0)
    monkeypatch.setattr(shells, "OPEN_SECONDS", 1.5)
    monkeypatch.setattr(dialing, "CONNECT_SECONDS", 1.0)


def fails(machine: Machine, *arguments: str, **changes: Any) -> RemoteFailure:
    """Return how a run of the sample program fails; no failure fails the test."""
    begin = time.monotonic()
    with pytest.raises(RemoteFailure) as raised, session(machine, **changes) as host:
        host.run(SAMPLE, arguments or ["lines", "60", "0.1"], timeout=20)
    assert time.monotonic() - begin < SOON
    return raised.value


def set_fault(name: str, value: object) -> Callable[[Machine], None]:
    return lambda machine: setattr(machine.faults, name, copy.copy(value))


FAULTS: dict[str, tuple[Callable[[Machine], None], type[RemoteFailure], str]] = {
    "no HTTP": (set_fault("not_http", True), ProtocolFailure, "does not speak HTTP. Check the port"),
    "cut off at once": (set_fault("rst_at_accept", FOR_EVER), ConnectionLost, "before anything was begun"),
    "cut off at the login": (
        set_fault("rst_before", {"Connect": FOR_EVER}),
        ConnectionLost,
        "before anything was begun",
    ),
    "cut off when the shell is opened": (
        set_fault("rst_before", {"Create": FOR_EVER}),
        ConnectionLost,
        "before anything was begun",
    ),
    "cut off in the answer to an opening": (
        set_fault("rst_in", {"Create": 1}),
        ConnectionLost,
        "before anything was begun",
    ),
    "cut off when a program is started": (
        set_fault("rst_before", {"Command": 1}),
        ConnectionLost,
        "while sample.exe was being started; what became of it",
    ),
    "cut off in the answer to a start": (
        set_fault("rst_in", {"Command": 1}),
        ConnectionLost,
        "while sample.exe was being started; what became of it",
    ),
    "cut off while it runs": (
        set_fault("rst_in_receive", 1),
        ConnectionLost,
        "while sample.exe was running; what became of it",
    ),
    "cut off for good while it runs": (
        set_fault("rst_in_receive", FOR_EVER),
        ConnectionLost,
        "while sample.exe was running",
    ),
    "silent at the login": (
        set_fault("stall_in", {"Connect": FOR_EVER}),
        Unreachable,
        "has not let us in",
    ),
    "silent when the shell is opened": (
        set_fault("stall_in", {"Create": FOR_EVER}),
        Unreachable,
        "has not let us in",
    ),
    "silent when a program is started": (
        set_fault("stall_in", {"Command": 1}),
        ConnectionLost,
        "has not answered for 1 s while sample.exe was being started",
    ),
    "silent while it runs": (
        set_fault("stall_in_receive", 1),
        ConnectionLost,
        "has not answered for 1 s while sample.exe was running",
    ),
    "HTTP 503": (
        set_fault("unavailable", FOR_EVER),
        ProtocolFailure,
        "not ready .HTTP 503.*restart the service",
    ),
    "a web page": (set_fault("html", FOR_EVER), ProtocolFailure, "not as WinRM does.*Check the port"),
    "a redirect": (set_fault("redirect", FOR_EVER), ProtocolFailure, "points elsewhere .HTTP 302"),
    "no more shells": (
        set_fault("quota_on_create", FOR_EVER),
        QuotaExceeded,
        "30 concurrent shells.*MaxShells",
    ),
    "no more commands": (
        set_fault("quota_on_command", FOR_EVER),
        QuotaExceeded,
        "1500 concurrent operations",
    ),
    "access denied": (
        set_fault("access_denied", FOR_EVER),
        AuthenticationFailure,
        "LocalAccountTokenFilterPolicy",
    ),
    "a shell that is always gone": (set_fault("expired_shell", FOR_EVER), ShellGone, "idle for too long"),
    "a seal that is broken": (set_fault("broken_seal", FOR_EVER), ProtocolFailure, "can't be verified"),
    "Basic alone": (
        lambda machine: setattr(machine, "accepts_negotiate", False),
        AuthenticationFailure,
        "offers neither NTLM nor Kerberos",
    ),
    "not elevated": (
        lambda machine: machine.set(elevated=False),
        RemoteExit,
        "LocalAccountTokenFilterPolicy",
    ),
}

NEVER_HEARD_OF = ("a seal that is broken", "cut off in the answer to an opening")
"""The shell was opened, and its id lost: it can't be closed, and expires after minutes, not hours."""


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_has_its_own_exception_and_leaves_nothing(
    machine: Machine, fault: str, request: pytest.FixtureRequest
) -> None:
    if fault.startswith("silent"):
        request.getfixturevalue("short_silences")
    inflict, expected, words = FAULTS[fault]
    program = machine.ldconsole_path if fault == "not elevated" else SAMPLE
    inflict(machine)
    with nothing_left_of(machine, shells=fault in NEVER_HEARD_OF):
        begin = time.monotonic()
        with pytest.raises(RemoteFailure, match=words) as raised, session(machine) as host:
            host.run(program, ["lines", "60", "0.1"], timeout=20)
        assert type(raised.value) is expected
        assert time.monotonic() - begin < SOON
    assert machine.password not in str(raised.value)
    assert {"pc-7", machine.host} & set(raised.value.detail.split())


@pytest.mark.parametrize(
    "fault", ["cut off while it runs", "silent while it runs", "silent when a program is started"]
)
def test_the_session_is_of_use_again_after_a_fault(
    machine: Machine, fault: str, request: pytest.FixtureRequest
) -> None:
    if fault.startswith("silent"):
        request.getfixturevalue("short_silences")
    FAULTS[fault][0](machine)
    with nothing_left_of(machine), session(machine) as host:
        with pytest.raises(ConnectionLost):
            host.run(SAMPLE, ["lines", "60", "0.1"], timeout=20)
        assert host.run(SAMPLE, ["exit", "5"], timeout=20).exit_code == 5


def test_what_ran_when_the_connection_broke_was_stopped(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shells, "OPERATION_SECONDS", 1)
    machine.faults.rst_in_receive = 1
    with session(machine) as host:
        with pytest.raises(ConnectionLost):
            host.run(SAMPLE, ["sleep", "600"], timeout=20)
        assert not machine.running_commands
        assert machine.open_shells == []
    assert machine.actions[-2:] == ["Signal", "Delete"]


def test_a_shell_that_could_not_be_closed_expires_soon(machine: Machine) -> None:
    with session(machine) as host:
        host.run(SAMPLE, ["exit", "0"], timeout=20)
        [shell] = machine.winrs.shells._shells.values()
    assert shell.idle_seconds == shells.IDLE_SECONDS <= 300


def test_a_shell_that_expired_while_idle_is_opened_anew_without_a_word(machine: Machine) -> None:
    with nothing_left_of(machine), session(machine) as host:
        host.run(SAMPLE, ["exit", "0"], timeout=20)
        machine.expire_shells()
        assert host.run(SAMPLE, ["exit", "6"], timeout=20).exit_code == 6
    assert len(machine.commands) == 2


def test_a_command_that_had_begun_is_not_run_a_second_time(machine: Machine) -> None:
    with nothing_left_of(machine), session(machine) as host:
        host.run(SAMPLE, ["exit", "0"], timeout=20)
        machine.faults.stall_in_receive = 0
        ended: list[bool] = []

        def expire_once() -> None:
            if len(machine.commands) == 2 and not ended:
                ended.append(True)
                machine.expire_shells()

        host._patience._check = expire_once
        with pytest.raises(ShellGone):
            host.run(SAMPLE, ["lines", "60", "0.2"], timeout=20)
    assert len(machine.commands) == 2


def test_nobody_listens(peer: Peer, machine: Machine) -> None:
    peer.close_port(machine)
    assert type(fails(machine)) is Refused


@pytest.mark.usefixtures("short_silences")
def test_nobody_answers(machine: Machine) -> None:
    with silent_listener() as port:
        failure = fails(machine, port=port)
    assert type(failure) is Unreachable
    assert "did not answer on port" in failure.detail


def test_a_name_that_nobody_knows(machine: Machine) -> None:
    assert type(fails(machine, host="no-such-host.invalid")) is UnknownHost


def test_a_port_that_listens_to_nothing_of_ours(machine: Machine) -> None:
    assert type(fails(machine, port=free_port())) is Refused


def test_a_program_that_is_not_there(machine: Machine) -> None:
    with nothing_left_of(machine), session(machine) as host:
        with pytest.raises(RemoteExit, match="does not find the program"):
            host.run(r"D:\Nowhere\ldconsole.exe", ["list2"], timeout=20)
        assert host.run(SAMPLE, ["exit", "2"], timeout=20).exit_code == 2


@pytest.mark.parametrize("change", [{"password": "wrong"}, {"username": "nobody"}])
def test_a_wrong_name_or_password_is_tried_once(machine: Machine, change: dict[str, str]) -> None:
    with nothing_left_of(machine):
        failure = fails(machine, **change)
    assert type(failure) is AuthenticationFailure
    assert "wrong" not in failure.detail
    assert machine.failed_logins == 1, "each more may lock the account"


@pytest.mark.parametrize("name", ["operator@EXAMPLE.LAN", ""])
def test_kerberos_that_is_not_set_up_here_says_what_it_needs(machine: Machine, name: str) -> None:
    with nothing_left_of(machine):
        failure = fails(machine, auth=Auth.KERBEROS, username=name)
    assert type(failure) is AuthenticationFailure
    assert "the Python packages gssapi and krb5, a configured realm" in failure.detail
    assert machine.failed_logins == 0


def test_a_password_that_is_changed_meanwhile_is_refused_once(machine: Machine) -> None:
    with session(machine) as host:
        host.run(SAMPLE, ["exit", "0"], timeout=20)
        machine.change_password("another")
        with pytest.raises(AuthenticationFailure):
            host.run(SAMPLE, ["exit", "0"], timeout=20)
    assert machine.failed_logins == 1
