"""The fake PowerShell answers medimgr's scripts in the agreed shapes, from the machine's state."""

import base64

import pytest
from pypsrp.shell import Process

from tests.workstations.peer import Instance, Machine, Peer
from tests.workstations.winrm_client import run, shell
from workstations.powershell import (
    EmulatorConfigs,
    FileFacts,
    HostFacts,
    SystemInfo,
    complaint,
    script,
    understood,
)

FOLDER = r"C:\LDPlayer\LDPlayer9"


@pytest.fixture
def machine(peer: Peer) -> Machine:
    return peer.machine(
        "pc-1", instances=[Instance.running("a", cpu=4, memory_mb=4096), "b"], logged_on="operator"
    )


def ask(machine: Machine, text: str, *options: str) -> Process:
    encoded = base64.b64encode(text.encode("utf-16-le")).decode()
    with shell(machine) as opened:
        return run(
            opened, "powershell.exe", "-NoProfile", "-NonInteractive", *options, "-EncodedCommand", encoded
        )


def test_system_info_says_what_the_machine_is(machine: Machine) -> None:
    info = understood(SystemInfo, ask(machine, script("system-info")).stdout)
    assert info.computer == "PC-1"
    assert info.sessions is not None
    assert [session.user for session in info.sessions] == [r"PC-1\operator"]
    machine.set(logged_on="")
    with machine.change() as state:
        state.system = {"system-info": {"memory": {"free_bytes": 5}, "cpu": {"load_percent": None}}}
    info = understood(SystemInfo, ask(machine, script("system-info")).stdout)
    assert (info.memory.free_bytes, info.cpu.load_percent, info.sessions) == (5, None, [])


def test_a_host_check_says_what_is_wrong(machine: Machine) -> None:
    path = machine.ldconsole_path
    facts = understood(HostFacts, ask(machine, script("host-check", ldconsole=path)).stdout)
    assert facts.user == r"PC-1\operator"
    assert facts.elevated
    assert facts.ldconsole.version == "9.0.79.2"
    machine.quotas.shells = 5
    machine.set(elevated=False)
    facts = understood(HostFacts, ask(machine, script("host-check", ldconsole=r"C:\no.exe")).stdout)
    assert facts.quotas is not None
    assert (facts.quotas.MaxShellsPerUser, facts.elevated, facts.ldconsole.found) == (5, False, False)


def test_configs_lack_what_was_never_modified(machine: Machine) -> None:
    output = ask(machine, script("emulator-configs", folder=FOLDER))
    first, second = understood(EmulatorConfigs, output.stdout).configs
    assert (first.index, first.cpu, first.memory_mb, first.width) == (0, 4, 4096, 960)
    assert (second.index, second.cpu, second.width) == (1, None, None)


def test_a_folder_that_is_not_there_is_an_error(machine: Machine) -> None:
    output = ask(machine, script("emulator-configs", folder=r"C:\Elsewhere"))
    assert output.rc == 1
    assert complaint(output.stderr).startswith(r"Cannot find path 'C:\Elsewhere")


def test_a_file_is_there_or_not(machine: Machine) -> None:
    with machine.change() as state:
        state.files[r"C:\apks\notes.apk"] = "org.example.notes"
    there = ask(machine, script("file-exists", path=r"c:\apks\NOTES.apk"))
    assert understood(FileFacts, there.stdout).exists
    missing = ask(machine, script("file-exists", path=r"C:\apks\other.apk"))
    assert understood(FileFacts, missing.stdout) == FileFacts(exists=False, size_bytes=None)


def test_an_unknown_script_and_a_strict_machine_fail_as_powershell_does(machine: Machine) -> None:
    assert "not recognized" in complaint(ask(machine, "# medimgr: dance\n").stderr)
    assert ask(machine, "Get-Process").rc == 1
    machine.set(powershell="constrained")
    assert complaint(ask(machine, script("system-info")).stderr).startswith("Cannot invoke method")
    machine.set(powershell="chatty")
    assert ask(machine, script("system-info")).stdout.startswith(b"Welcome")


def test_what_is_not_encoded_is_not_run(machine: Machine) -> None:
    with shell(machine) as opened:
        assert run(opened, "powershell.exe", "-Command", "Get-Process").rc == 1
        assert run(opened, "powershell.exe", "-EncodedCommand", "***").rc == 4294770688
