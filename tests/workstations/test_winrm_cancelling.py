"""A run ends when it has to: by a cancel, a timeout or a deadline, even where the workstation is silent."""

import time
from collections.abc import Callable

import pytest

from operations.exceptions import Cancelled
from tests.silent_listener import silent_listener
from tests.workstations.peer import Machine, Peer
from tests.workstations.winrm_sessions import SAMPLE, nothing_left_of, session
from workstations.exceptions import RemoteTimeout, Unreachable
from workstations.winrm import shell as shells

LATE = 0.5
TIDYING = shells.TIDY_SECONDS + 1.0


class CancelLater:
    """A check that raises from a moment on, and knows how late it was first asked after that."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds
        self.late = float("inf")

    def __call__(self) -> None:
        late = time.monotonic() - self._at
        if late >= 0:
            self.late = min(self.late, late)
            raise Cancelled


@pytest.fixture
def machine(peer: Peer) -> Machine:
    return peer.machine()


def inflict(name: str, value: object) -> Callable[[Machine], None]:
    return lambda machine: setattr(machine.faults, name, value)


STATES = {
    "it prints nothing": lambda machine: None,
    "its answer stalls": inflict("stall_in_receive", -1),
    "its start stalls": inflict("stall_in", {"Command": -1}),
    "its login stalls": inflict("stall_in", {"Connect": -1}),
    "everything stalls from now on": inflict("stall_in", {"Command": -1, "Connect": -1}),
}


@pytest.mark.parametrize("state", STATES)
def test_a_cancel_is_seen_at_once_whatever_the_workstation_does(machine: Machine, state: str) -> None:
    STATES[state](machine)
    check = CancelLater(0.6)
    begin = time.monotonic()
    with nothing_left_of(machine):
        with pytest.raises(Cancelled), session(machine, check=check) as host:
            host.run(SAMPLE, ["sleep", "600"], timeout=60)
        assert check.late < LATE
        assert time.monotonic() - begin < 0.6 + LATE + TIDYING
        machine.faults.stall_in = {}
        machine.faults.stall_in_receive = 0


def test_a_cancel_stops_what_runs_there(machine: Machine) -> None:
    begin = time.monotonic()
    with pytest.raises(Cancelled), session(machine, check=CancelLater(0.5)) as host:
        host.run(SAMPLE, ["sleep", "600"], timeout=60)
    assert time.monotonic() - begin < 0.5 + LATE + 2
    assert not machine.running_commands
    assert machine.actions[-2:] == ["Signal", "Delete"]


def test_a_cancel_is_seen_while_nobody_picks_up(machine: Machine) -> None:
    check = CancelLater(0.4)
    with silent_listener() as port, nothing_left_of(machine):
        begin = time.monotonic()
        with pytest.raises(Cancelled), session(machine, port=port, check=check) as host:
            host.run(SAMPLE, ["exit", "0"], timeout=60)
        assert time.monotonic() - begin < 0.4 + LATE
    assert check.late < LATE


def test_what_takes_too_long_is_stopped_and_the_session_is_of_use_again(machine: Machine) -> None:
    begin = time.monotonic()
    with nothing_left_of(machine), session(machine) as host:
        with pytest.raises(RemoteTimeout, match=r"sample.exe on pc-1 has not ended within 1 s.*told to stop"):
            host.run(SAMPLE, ["sleep", "600"], timeout=1)
        assert time.monotonic() - begin < 4
        assert not machine.running_commands
        assert machine.open_shells == []
        assert host.run(SAMPLE, ["exit", "8"], timeout=20).exit_code == 8


def test_a_stall_past_the_timeout_is_a_timeout(machine: Machine) -> None:
    machine.faults.stall_in_receive = 1
    begin = time.monotonic()
    with nothing_left_of(machine), session(machine) as host:
        with pytest.raises(RemoteTimeout):
            host.run(SAMPLE, ["sleep", "600"], timeout=1)
        assert time.monotonic() - begin < 1 + LATE + TIDYING


def test_the_deadline_of_the_session_ends_every_run(machine: Machine) -> None:
    with nothing_left_of(machine), session(machine, seconds=1.0) as host:
        with pytest.raises(RemoteTimeout):
            host.run(SAMPLE, ["sleep", "600"], timeout=60)
        requests = machine.requests
        with pytest.raises(RemoteTimeout):
            host.run(SAMPLE, ["exit", "0"], timeout=60)
        assert machine.requests == requests


def test_who_does_not_pick_up_before_the_timeout_is_unreachable(machine: Machine) -> None:
    begin = time.monotonic()
    with silent_listener() as port, session(machine, port=port) as host, pytest.raises(Unreachable):
        host.run(SAMPLE, ["exit", "0"], timeout=1)
    assert time.monotonic() - begin < 1 + LATE


def test_a_workstation_that_falls_silent_holds_up_the_end_of_a_session_for_seconds(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shells, "TIDY_SECONDS", 1.0)
    begin = 0.0
    with session(machine) as host:
        host.run(SAMPLE, ["exit", "0"], timeout=20)
        machine.faults.stall_in = {"Delete": -1}
        begin = time.monotonic()
    assert time.monotonic() - begin < 1.0 + LATE
