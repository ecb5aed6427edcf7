"""The worker is killed in the middle of each operation; whoever asks again gets what he asked for, once."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from medimgr.lib.sealing import new_key
from operations import lifecycle, registry
from operations.intake import retry
from operations.models import Operation
from operations.requester import Requester
from tests.running import Instance as Installation
from tests.running import RunningProcess
from tests.workstations.carrying_out import asked, declared
from tests.workstations.peer import Instance, Machine, Peer
from workstations.models import Emulator, Workstation

pytestmark = pytest.mark.both_databases
ALICE = Requester("alice", "api")
PARAMETERS: dict[str, dict[str, Any]] = {
    "clone": {"title": "new"},
    "create-emulator": {"title": "new", "cpu": 4},
    "rename": {"title": "new"},
    "modify": {"cpu": 4, "memory_mb": 4096},
    "install-app": {"package": "com.example.shop"},
}
RUNS, RESTS = "runs", "rests"


def called(command: str) -> Callable[[Machine], bool]:
    return lambda machine: any(call[0] == command for call in machine.calls())


def truth(machine: Machine) -> dict[str, Instance]:
    return {one.title: one for one in machine.instances()}


CASES: list[tuple[str, str, str, Callable[[Machine], bool]]] = [
    ("start", RESTS, "launch", lambda machine: truth(machine)[RESTS].vbox_pid > 0),
    ("stop", RUNS, "quit", lambda machine: not truth(machine)[RUNS].active),
    ("restart", RUNS, "quit", lambda machine: truth(machine)[RUNS].vbox_pid > 0),
    ("rename", RESTS, "rename", lambda machine: set(truth(machine)) == {RUNS, "new"}),
    ("clone", RESTS, "copy", lambda machine: set(truth(machine)) == {RUNS, RESTS, "new"}),
    ("modify", RESTS, "modify", lambda machine: truth(machine)[RESTS].memory_mb == 4096),
    ("delete", RESTS, "remove", lambda machine: set(truth(machine)) == {RUNS}),
    (
        "create-emulator",
        "",
        "add",
        lambda machine: truth(machine)["new"].cpu == 4 and len(truth(machine)) == 3,
    ),
]


@pytest.fixture
def key(settings: Any) -> str:
    """Have a key here as the workers have it."""
    settings.MEDIMGR_ENCRYPTION_KEYS = [new_key()]
    return str(settings.MEDIMGR_ENCRYPTION_KEYS[0])


def worker(instance: Installation, key: str) -> RunningProcess:
    started = instance.start("run_operations", MEDIMGR_ENCRYPTION_KEYS=key)
    instance.wait_for(lambda: "is ready" in started.output() or not started.alive, 20, "the worker is ready")
    assert started.alive, started.output()
    return started


def ended(instance: Installation, operation: Operation) -> Operation:
    instance.wait_for(
        lambda: Operation.objects.get(pk=operation.pk).finished_at, 25, f"operation {operation.pk} ends"
    )
    return Operation.objects.get(pk=operation.pk)


def test_the_next_try_of_each_ends_well(instance: Installation, peer: Peer, key: str) -> None:
    with instance.database():
        machines = {
            verb: peer.machine(
                verb,
                instances=[Instance.running(RUNS, index=0), Instance(RESTS, 1)],
                in_process=True,
                boot_seconds=2.0,
                quit_seconds=2.0,
                copy_seconds=2.0,
            )
            for verb, *_ in CASES
        }
        workstations = {verb: declared(machine) for verb, machine in machines.items()}
        first = worker(instance, key)
        for scan in [asked("workstation.scan", row) for row in workstations.values()]:
            assert ended(instance, scan).status == "SUCCESS"
        under_way = {verb: ask(verb, title, workstations[verb]) for verb, title, *_ in CASES}
        for verb, _, command, _ in CASES:
            instance.wait_for(lambda verb=verb, command=command: called(command)(machines[verb]), 20, verb)  # type: ignore[misc]
        first.kill()
        lost = {verb: Operation.objects.get(pk=row.pk) for verb, row in under_way.items()}
        assert sum(row.finished_at is None for row in lost.values()) >= 4, "Too late: they had ended."
        lifecycle.reap(timezone.now() + timedelta(seconds=31))
        worker(instance, key)
        for verb, _, _, holds in CASES:
            old = Operation.objects.get(pk=under_way[verb].pk)
            if old.status != "SUCCESS":
                assert old.error_code == "lease-lost"
                last = again(verb, old)
                assert last is None or ended(instance, last).status == "SUCCESS", (verb, last)
            assert holds(machines[verb]), (verb, machines[verb].instances())


def ask(verb: str, title: str, workstation: Workstation) -> Operation:
    if not title:
        return asked(f"workstation.{verb}", workstation, **PARAMETERS[verb])
    row = Emulator.objects.get(workstation=workstation, title=title)
    return asked(f"emulator.{verb}", row, **PARAMETERS.get(verb, {}))


def again(verb: str, old: Operation) -> Operation | None:
    """Return the next try: the one that came by itself, or one that a person asks for; None: needless."""
    kind = registry.get(old.kind)
    if kind.repeatable:
        return Operation.objects.get(retry_of=old)
    if verb == "delete" and not Emulator.objects.filter(pk=old.target_key).exists():
        return None  # it was read to be gone before the worker was killed
    return retry(old, ALICE)
