"""The kinds of operations on workstations and emulators. The operations worker carries them out."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from django.conf import settings

from operations import queues, registry
from operations.job import Job
from operations.registry import Kind
from workstations.emulator_kinds.parameters import (
    CreateParameters,
    InstallParameters,
    ModifyParameters,
    TitleParameters,
)
from workstations.models import Emulator, Workstation

TEST_CONNECTION = "workstation.test-connection"
CHECK_HOST = "workstation.check-host"
READ_SYSTEM = "workstation.read-system"
SCAN = "workstation.scan"
CREATE_EMULATOR = "workstation.create-emulator"
START = "emulator.start"
STOP = "emulator.stop"
RESTART = "emulator.restart"
RENAME = "emulator.rename"
CLONE = "emulator.clone"
MODIFY = "emulator.modify"
DELETE = "emulator.delete"
INSTALL_APP = "emulator.install-app"

QUEUE = "workstations"
"""Served by threads of its own: what is slow on the other side of the network holds up nothing else."""
HOUR = 3600.0
_WAITS = 6 * HOUR
"""So long an operation may wait behind others on its workstation, which may take minutes each."""


def queue_of(_target: Any) -> str:
    """Return the queue of every operation on workstations and emulators."""
    return QUEUE


def lane_of(workstation_id: int) -> str:
    """Return the lane of a workstation: what runs in it shares its processors and its list."""
    return f"workstation:{workstation_id}"


def _beside_others(emulator: Emulator) -> tuple[str, int]:
    return lane_of(emulator.workstation_id), emulator.workstation.concurrency


def _alone(target: Workstation | Emulator) -> tuple[str, int]:
    # ldconsole changes its list in the background: a second change meanwhile fails, and leaves wreckage.
    return lane_of(target.workstation_id if isinstance(target, Emulator) else target.pk), 1


def _title_and_place(emulator: Emulator) -> str:
    return f"{emulator.title} on {emulator.workstation.name}"


def _in_worker(module: str, function: str = "carry_out") -> Callable[[Job], None]:
    """Return a handler that is imported when it is first called: web workers need no WinRM."""

    def carry_out(job: Job) -> None:
        getattr(import_module(f"workstations.{module}"), function)(job)

    return carry_out


def register_kinds() -> None:
    """Declare the kinds and their queue. Called once, when the app is ready.

    Who gives way to whom, on one emulator: of start, stop and restart the newest wish replaces what
    still waits; stop also ends a start or restart under way, which may be waiting for minutes. Those, and
    what only looks, may be done twice without harm, and are repeated where their worker was lost.
    """
    queues.declare(QUEUE, lambda: int(settings.MEDIMGR_WORKSTATION_THREADS))
    for kind in (*_on_workstations(), *_on_emulators()):
        registry.register(kind)


def _on_workstations() -> list[Kind]:
    known: dict[str, Any] = {"target_field": "pk", "queue": queue_of, "called": str}
    look = known | {"waiting_seconds": HOUR, "repeatable": 1}
    return [
        Kind(
            TEST_CONNECTION,
            "Test connection",
            Workstation,
            "test",
            deadline_seconds=60.0,
            handler=_in_worker("connection_results", "carry_out_test"),
            **look,
        ),
        Kind(
            CHECK_HOST,
            "Check host",
            Workstation,
            "check",
            handler=_in_worker("host_check", "carry_out_check"),
            **look,
        ),
        Kind(
            READ_SYSTEM,
            "Read system",
            Workstation,
            "check",
            handler=_in_worker("system_info", "carry_out_read_system"),
            **look,
        ),
        Kind(SCAN, "Read emulators", Workstation, "scan", handler=_in_worker("emulator_kinds.scan"), **look),
        Kind(
            CREATE_EMULATOR,
            "Create emulator",
            Workstation,
            "add_emulator",
            parameters=CreateParameters,
            deadline_seconds=600.0,
            waiting_seconds=_WAITS,
            lane=_alone,
            resumable=True,
            handler=_in_worker("emulator_kinds.create"),
            **known,
        ),
    ]


def _on_emulators() -> list[Kind]:
    each: dict[str, Any] = {
        "target_field": "pk",
        "queue": queue_of,
        "waiting_seconds": _WAITS,
        "called": _title_and_place,
    }
    beside = each | {"lane": _beside_others}
    alone = each | {"lane": _alone}
    return [
        Kind(
            START,
            "Start",
            Emulator,
            "launch",
            deadline_seconds=HOUR,  # an emulator may take up to 1,800 s, as its workstation says
            supersedes=frozenset({STOP, RESTART}),
            repeatable=1,
            handler=_in_worker("emulator_kinds.start"),
            **beside,
        ),
        Kind(
            STOP,
            "Stop",
            Emulator,
            "stop",
            supersedes=frozenset({START, RESTART}),
            preempts=frozenset({START, RESTART}),
            repeatable=1,
            handler=_in_worker("emulator_kinds.stop"),
            **beside,
        ),
        Kind(
            RESTART,
            "Restart",
            Emulator,
            "restart",
            deadline_seconds=HOUR,
            supersedes=frozenset({START, STOP}),
            handler=_in_worker("emulator_kinds.restart"),
            **beside,
        ),
        Kind(
            INSTALL_APP,
            "Install app",
            Emulator,
            "install",
            parameters=InstallParameters,
            deadline_seconds=900.0,
            handler=_in_worker("emulator_kinds.install_app"),
            **beside,
        ),
        Kind(
            RENAME,
            "Rename",
            Emulator,
            "rename",
            parameters=TitleParameters,
            handler=_in_worker("emulator_kinds.rename"),
            **alone,
        ),
        Kind(
            CLONE,
            "Clone",
            Emulator,
            "clone",
            parameters=TitleParameters,
            deadline_seconds=HOUR,  # it copies gigabytes
            resumable=True,
            handler=_in_worker("emulator_kinds.clone"),
            **alone,
        ),
        Kind(
            MODIFY,
            "Change hardware",
            Emulator,
            "modify",
            parameters=ModifyParameters,
            handler=_in_worker("emulator_kinds.modify"),
            **alone,
        ),
        Kind(
            DELETE,
            "Delete",
            Emulator,
            "remove",
            deadline_seconds=600.0,
            handler=_in_worker("emulator_kinds.delete"),
            **alone,
        ),
    ]
