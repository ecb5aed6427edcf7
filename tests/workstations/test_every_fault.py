"""Whatever goes wrong between here and a workstation ends the operation with its own code, in time.

And nothing is left of it: no thread, no descriptor, no connection, no command and no shell.
"""

import copy
import dataclasses
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from operations import registry
from operations.cancelling import cancel_these
from operations.executor import Executor
from operations.models import Operation
from operations.requester import Requester
from operations.states import Status
from tests.operations.asking import fresh, running, wait_until_ended
from tests.running import free_port, wait_for
from tests.silent_listener import silent_listener
from tests.workstations.carrying_out import asked, carried_out, declared
from tests.workstations.carrying_out import key as key
from tests.workstations.emulator_worlds import emulator, how, scanned
from tests.workstations.peer import Instance, Machine, Peer
from tests.workstations.peer.certificates import certificate
from tests.workstations.winrm_sessions import nothing_left_of
from workstations import handlers
from workstations.models import Emulator, Workstation
from workstations.winrm import dialing, shell

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("key")]

SOON = 12.0
"""Seconds. With the silences below, on a machine that does much else."""
FOR_EVER = -1
RUNNING, STOPPED = "runs", "rests"
PARAMETERS: dict[str, tuple[str, dict[str, Any]]] = {
    handlers.SCAN: ("", {}),
    handlers.READ_SYSTEM: ("", {}),
    handlers.CREATE_EMULATOR: ("", {"title": "new"}),
    handlers.START: (STOPPED, {}),
    handlers.STOP: (RUNNING, {}),
    handlers.RESTART: (RUNNING, {}),
    handlers.RENAME: (STOPPED, {"title": "other"}),
    handlers.CLONE: (STOPPED, {"title": "twin"}),
    handlers.MODIFY: (STOPPED, {"cpu": 2}),
    handlers.DELETE: (STOPPED, {}),
    handlers.INSTALL_APP: (RUNNING, {"package": "org.example.app"}),
}
"""Every kind that speaks WinRM and ends with the code of what went wrong, and what it is asked for with."""


@pytest.fixture(autouse=True)
def _short_silences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "SILENCE_SECONDS", 1.0)
    monkeypatch.setattr(shell, "OPEN_SECONDS", 1.5)
    monkeypatch.setattr(shell, "OPERATION_SECONDS", 1)
    monkeypatch.setattr(dialing, "CONNECT_SECONDS", 1.0)


@pytest.fixture
def machine(peer: Peer) -> Machine:
    return peer.machine("pc-7", instances=[Instance.running(RUNNING), STOPPED], in_process=True)


def target(workstation: Workstation, kind: str) -> Workstation | Emulator:
    title = PARAMETERS[kind][0]
    return Emulator.objects.get(workstation=workstation, title=title) if title else workstation


def ended(workstation: Workstation, kind: str) -> Operation:
    """Carry out an operation of ``kind``, and fail where that takes too long."""
    begin = time.monotonic()
    operation = carried_out(kind, target(workstation, kind), **PARAMETERS[kind][1])
    assert time.monotonic() - begin < SOON
    return operation


class Trouble(NamedTuple):
    kind: str
    inflict: Callable[[Machine], object]
    code: str
    said: str
    left: int = 0
    """Shells whose id was lost on its way here. They expire after some minutes."""


def fault(name: str, value: object = FOR_EVER) -> Callable[[Machine], object]:
    return lambda machine: setattr(machine.faults, name, copy.copy(value))


LOST, PROTOCOL = "workstation-connection-lost", "workstation-protocol"
TROUBLES: dict[str, Trouble] = {
    "a reset at once": Trouble(handlers.SCAN, fault("rst_at_accept"), LOST, "before anything was begun"),
    "a reset while it logs in": Trouble(
        handlers.STOP, fault("rst_before", {"Connect": FOR_EVER}), LOST, "before anything was begun"
    ),
    "a reset before a program is started": Trouble(
        handlers.START, fault("rst_before", {"Command": 1}), LOST, "what became of it is not known"
    ),
    "a reset in the middle of the output": Trouble(
        handlers.DELETE, fault("rst_in_receive", 1), LOST, "what became of it is not known"
    ),
    "resets in every output": Trouble(
        handlers.RENAME, fault("rst_in_receive"), LOST, "what became of it is not known"
    ),
    "silence while it logs in": Trouble(
        handlers.READ_SYSTEM,
        fault("stall_in", {"Connect": FOR_EVER}),
        "workstation-unreachable",
        "has not let us in",
    ),
    "silence in the middle of the output": Trouble(
        handlers.MODIFY, fault("stall_in_receive", 1), LOST, "has not answered for 1 s"
    ),
    "HTTP 503": Trouble(handlers.CLONE, fault("unavailable"), PROTOCOL, "HTTP 503"),
    "another web server": Trouble(handlers.INSTALL_APP, fault("html"), PROTOCOL, "Check the port"),
    "a web server that points elsewhere": Trouble(
        handlers.CREATE_EMULATOR, fault("redirect"), PROTOCOL, "points elsewhere"
    ),
    "a port that does not speak HTTP": Trouble(
        handlers.RESTART, fault("not_http", True), PROTOCOL, "does not speak HTTP"
    ),
    "a broken seal": Trouble(handlers.SCAN, fault("broken_seal"), PROTOCOL, "can't be verified", 1),
    "no more shells": Trouble(
        handlers.START, fault("quota_on_create"), "workstation-quota", "MaxShellsPerUser"
    ),
    "no more commands": Trouble(
        handlers.STOP, fault("quota_on_command"), "workstation-quota", "concurrent operations"
    ),
    "a shell that has expired": Trouble(
        handlers.MODIFY, fault("expired_shell"), "workstation-shell-gone", "idle for too long"
    ),
    "no right to use WinRM": Trouble(
        handlers.RENAME, fault("access_denied"), "workstation-authentication", "must be an administrator"
    ),
    "a password that was changed": Trouble(
        handlers.DELETE,
        lambda machine: machine.change_password("another"),
        "workstation-authentication",
        "does not accept user 'operator'",
    ),
    "a login of Basic alone": Trouble(
        handlers.CLONE,
        lambda machine: setattr(machine, "accepts_negotiate", False),
        "workstation-authentication",
        "neither NTLM nor Kerberos",
    ),
    "no rights to run ldconsole": Trouble(
        handlers.CREATE_EMULATOR, lambda machine: machine.set(elevated=False), "remote-exit", "elevated"
    ),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_each_fault_ends_an_operation_with_its_own_code(machine: Machine, trouble: str) -> None:
    kind, inflict, code, said, left = TROUBLES[trouble]
    workstation = scanned(machine)
    rows = list(Emulator.objects.values_list("index", "title"))
    inflict(machine)
    with nothing_left_of(machine, shells=left):
        operation = ended(workstation, kind)
    assert (operation.status, operation.error_code) == (Status.FAILED, code), how(operation)
    assert said in operation.error_detail
    assert machine.password not in operation.error_detail
    assert list(Emulator.objects.values_list("index", "title")) == rows


@pytest.mark.parametrize("kind", PARAMETERS)
def test_each_kind_of_operation_ends_where_the_connection_breaks(machine: Machine, kind: str) -> None:
    workstation = scanned(machine)
    machine.faults.rst_in_receive = 1
    with nothing_left_of(machine):
        operation = ended(workstation, kind)
    assert (operation.status, operation.error_code) == (Status.FAILED, LOST), how(operation)
    assert machine.calls() == []


def test_output_in_hundreds_of_pieces_that_cut_characters_in_two_is_read_as_a_whole(peer: Peer) -> None:
    titles = [f"猫咪, 第{number}号 农场" for number in range(60)]
    machine = peer.machine(instances=titles, in_process=True)
    machine.faults.chunk_bytes, machine.faults.chunks_per_receive = 7, 4
    with nothing_left_of(machine):
        scanned(machine)
    assert list(Emulator.objects.order_by("index").values_list("title", flat=True)) == titles
    assert machine.actions.count("Receive") > 100


def test_nobody_listens(peer: Peer, machine: Machine) -> None:
    workstation = scanned(machine)
    peer.close_port(machine)
    assert ended(workstation, handlers.SCAN).error_code == "workstation-refused"


def test_nobody_answers_and_is_asked_again_at_once(machine: Machine) -> None:
    workstation = scanned(machine)
    with silent_listener() as port:
        Workstation.objects.update(port=port)
        assert ended(workstation, handlers.STOP).error_code == "workstation-unreachable"
        second = ended(workstation, handlers.STOP)
    assert second.error_code == "workstation-not-asked"
    assert "is asked again at" in second.error_detail


def test_nobody_knows_its_name(machine: Machine) -> None:
    workstation = scanned(machine)
    Workstation.objects.update(host="no-such-host.invalid")
    assert ended(workstation, handlers.START).error_code == "workstation-unknown-host"


def test_a_certificate_of_a_stranger(peer: Peer) -> None:
    machine = peer.machine(certificate=certificate(), in_process=True)
    workstation = declared(machine, ca_certificates="")
    with nothing_left_of(machine):
        operation = ended(workstation, handlers.SCAN)
    assert operation.error_code == "workstation-tls", how(operation)


def test_tls_where_none_is_spoken(machine: Machine) -> None:
    workstation = declared(machine, tls=True)
    with nothing_left_of(machine):
        assert ended(workstation, handlers.SCAN).error_code == "workstation-tls"


def test_no_password_is_stored(machine: Machine) -> None:
    workstation = declared(machine)
    Workstation.objects.update(password_sealed="")
    assert ended(workstation, handlers.SCAN).error_code == "workstation-password-missing"
    Workstation.objects.update(password_sealed="what no key has sealed")
    operation = ended(workstation, handlers.READ_SYSTEM)
    assert operation.error_code == "workstation-password-missing"
    assert "MEDIMGR_ENCRYPTION_KEYS" in operation.error_detail


def test_a_wrong_port_is_refused(machine: Machine) -> None:
    workstation = declared(machine, port=free_port())
    assert ended(workstation, handlers.SCAN).error_code == "workstation-refused"


# --- in the middle --------------------------------------------------------------------------------


def begun(machine: Machine, command: str) -> None:
    """Wait until ldconsole was told ``command``."""
    wait_for(lambda: command in [call[0] for call in machine.calls()], 10, f"{command} is begun")


def test_the_password_is_changed_in_the_middle(machine: Machine) -> None:
    """The shell that was open then can't be closed by anybody; it expires by itself."""
    workstation = scanned(machine)
    machine.set(boot_polls=1000)
    row = target(workstation, handlers.START)
    with nothing_left_of(machine, shells=1):
        operation = asked(handlers.START, row)
        with running(Executor(queue_name=handlers.QUEUE, threads=1)):
            begun(machine, "launch")
            machine.change_password("another")
            operation = wait_until_ended(operation, SOON)
    assert operation.error_code == "workstation-authentication", how(operation)


@pytest.fixture
def hurried() -> Iterator[None]:
    """Give a start three seconds."""
    kind = registry.get(handlers.START)
    registry.register(dataclasses.replace(kind, deadline_seconds=3.0))
    yield
    registry.register(kind)


@pytest.mark.usefixtures("hurried")
def test_what_does_not_come_to_its_end_is_ended_by_its_deadline(machine: Machine) -> None:
    workstation = scanned(machine)
    machine.set(boot_polls=1000)
    with nothing_left_of(machine):
        operation = asked(handlers.START, target(workstation, handlers.START))
        with running(Executor(queue_name=handlers.QUEUE, threads=1)):
            operation = wait_until_ended(operation, 3 + SOON)
            wait_for(lambda: machine.open_shells == [], SOON, "its handler hangs up")
    assert operation.status == Status.TIMEOUT, how(operation)


@pytest.mark.parametrize("silent", [False, True])
def test_a_cancel_is_heard_while_it_waits_and_while_nobody_answers(
    machine: Machine, silent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shell, "SILENCE_SECONDS", 60.0)
    workstation = scanned(machine)
    machine.set(boot_polls=1000)
    row = target(workstation, handlers.START)
    with nothing_left_of(machine):
        operation = asked(handlers.START, row)
        with running(Executor(queue_name=handlers.QUEUE, threads=1)):
            begun(machine, "launch")
            if silent:
                machine.faults.stall_in_receive = 1
                wait_for(lambda: machine.faults.stall_in_receive == 0, 10, "an answer is held back")
            begin = time.monotonic()
            cancel_these([operation.pk], Requester("alice", "api"))
            operation = wait_until_ended(operation)
            assert time.monotonic() - begin < 5
    assert operation.status == Status.CANCELLED, how(operation)
    assert fresh(operation).finished_at is not None


def test_after_a_fault_the_same_is_asked_again_and_succeeds(machine: Machine) -> None:
    workstation = scanned(machine)
    row = emulator(workstation, 1)
    machine.faults.rst_in_receive = 1
    assert carried_out(handlers.START, row).error_code == LOST
    operation = carried_out(handlers.START, row)
    assert operation.status == Status.SUCCESS, how(operation)
    assert machine.instance(STOPPED).active
