"""Declares simulated machines and carries out operations on them, as the operations worker does."""

from typing import Any

import pytest
from pytest_django import Settings

from medimgr.lib.sealing import new_key
from operations.executor import Executor
from operations.intake import request_operation
from operations.models import Operation
from operations.requester import Requester
from tests.workstations.peer import Machine
from workstations.handlers import QUEUE
from workstations.models import Emulator, Workstation


@pytest.fixture
def key(settings: Settings) -> str:
    """Have a key for passwords."""
    settings.MEDIMGR_ENCRYPTION_KEYS = [new_key()]
    return str(settings.MEDIMGR_ENCRYPTION_KEYS[0])


def declared(machine: Machine, **fields: Any) -> Workstation:
    """Store the workstation that ``machine`` simulates, with its password; nobody polls it."""
    row = Workstation(**{**machine.fields(), "polled": False, "boot_seconds": 10, **fields})
    row.set_password(machine.password)
    row.save()
    return row


def asked(kind: str, target: Workstation | Emulator, **parameters: Any) -> Operation:
    """Ask for an operation of ``kind``; a worker has to carry it out."""
    return request_operation(
        kind,
        target,
        str(target.pk),
        queue=QUEUE,
        requester=Requester("alice", "api"),
        parameters=parameters,
    )


def carried_out(kind: str, target: Workstation | Emulator, **parameters: Any) -> Operation:
    """Ask for an operation, carry it out here and now, and return how it ended."""
    operation = asked(kind, target, **parameters)
    Executor(queue_name=QUEUE, threads=1).run(drain=True)
    operation.refresh_from_db()
    return operation
