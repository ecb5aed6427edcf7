"""Emulators on simulated machines, as rows that a reading has made, and what was told of them."""

from typing import Any

from medimgr.events.models import Event
from operations.executor import Executor
from operations.intake import retry
from operations.models import Operation
from operations.requester import Requester
from tests.workstations.carrying_out import carried_out, declared
from tests.workstations.peer import Machine
from workstations.handlers import QUEUE
from workstations.models import Emulator, Workstation


def scanned(machine: Machine, **fields: Any) -> Workstation:
    """Declare the machine and read its emulators."""
    workstation = declared(machine, **fields)
    ended = carried_out("workstation.scan", workstation)
    assert ended.status == "SUCCESS", how(ended)
    return workstation


def emulator(workstation: Workstation, index: int = 0) -> Emulator:
    """Return the row of the emulator with this index."""
    return Emulator.objects.get(workstation=workstation, index=index)


def retried(old: Operation) -> Operation:
    """Ask again for what failed, carry it out here and now, and return how that ended."""
    again = retry(old, Requester("alice", "api"))
    Executor(queue_name=QUEUE, threads=1).run(drain=True)
    again.refresh_from_db()
    return again


def how(ended: Operation) -> str:
    """Return how an operation ended, for the message of a test that fails."""
    return f"{ended.status} {ended.error_code}: {ended.error_detail}"


def states_told(pk: int) -> list[str]:
    """Return the states that events have told of an emulator, in order, each once in a row."""
    events = Event.objects.filter(topic="emulator", key=str(pk)).order_by("id")
    states = [event.data["state"] for event in events]
    return [state for place, state in enumerate(states) if place == 0 or states[place - 1] != state]
