"""A simulated fleet in a process of its own: ``python -m tests.benchmarks.fleet_process``.

Says in a line of JSON where its workstations are, then obeys lines: ``change NAME``, ``close NAME``,
``open NAME``, ``stall NAME`` are answered with the time (CLOCK_MONOTONIC, ns), ``readings`` with the times at
which each one was asked for its list, ``left`` with how many shells and connections are open.
"""

import argparse
import contextlib
import json
import sys
import time
from typing import Any

from tests.silent_listener import silent_listener
from tests.workstations.peer import Instance, Machine, Peer
from tests.workstations.peer.instance import STARTED
from tests.workstations.peer.shells import Command

_PASSWORD = "only-for-the-benchmarks-of-this-machine"


class _Timed(list[Command]):
    """The commands of a machine, with the time of each."""

    def __init__(self) -> None:
        super().__init__()
        self.at: list[int] = []

    def append(self, command: Command) -> None:
        if "list2" in command.line:
            self.at.append(time.monotonic_ns())


def main() -> None:
    """Run the fleet until its input ends."""
    parser = argparse.ArgumentParser()
    for name in ("reachable", "silent", "refusing", "emulators"):
        parser.add_argument(f"--{name}", type=int, required=True)
    asked = parser.parse_args()
    with contextlib.ExitStack() as stack:
        peer = stack.enter_context(Peer(in_process=True))
        machines = {f"pc-{number:03}": _machine(peer, number, asked) for number in range(asked.reachable)}
        silent = stack.enter_context(silent_listener("0.0.0.0"))
        _say([*map(_declaration, machines.values()), *_unreachable(asked, silent)])
        for line in sys.stdin:
            _say(_obeyed(peer, machines, *line.split()))


def _machine(peer: Peer, number: int, asked: argparse.Namespace) -> Machine:
    instances = [
        Instance.running(f"Farm {index}") if index % 2 else Instance(f"Farm {index}")
        for index in range(asked.emulators)
    ]
    machine = peer.machine(f"pc-{number:03}", instances=instances, password=_PASSWORD)
    machine.winrs.history = _Timed()
    return machine


def _declaration(machine: Machine) -> dict[str, Any]:
    return {**machine.fields(), "password": machine.password}


def _unreachable(asked: argparse.Namespace, silent: int) -> list[dict[str, Any]]:
    """Return workstations at addresses of loopback of their own: nobody listens at port 9 of any."""
    ports = [silent] * asked.silent + [9] * asked.refusing
    return [
        {"name": f"away-{number:03}", "host": f"127.1.{number // 250}.{number % 250 + 1}", "port": port}
        | {"username": "operator", "password": _PASSWORD}
        for number, port in enumerate(ports)
    ]


def _obeyed(peer: Peer, machines: dict[str, Machine], word: str, name: str = "") -> object:
    if word == "readings":
        return {name: list(_timed(machine).at) for name, machine in machines.items()}
    if word == "left":
        return sum(len(one.open_shells) + one.open_connections for one in machines.values())
    machine = machines[name]
    if word == "change":
        with machine.change() as state:
            instance = state.instances[0]
            if instance.android == STARTED:
                instance.end(time.time())
            else:
                instance.begin(state.take_pid())
    elif word == "close":
        peer.close_port(machine)
    elif word == "open":
        peer.open_port(machine)
    elif word == "stall":
        machine.faults.stall_in_receive = -1
    else:
        raise SystemExit(f"What is {word!r}?")
    return time.monotonic_ns()


def _timed(machine: Machine) -> _Timed:
    history = machine.winrs.history
    assert isinstance(history, _Timed)
    return history


def _say(answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
