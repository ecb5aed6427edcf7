"""A running medimgr of its own with simulated workstations, for the browser tests of their pages."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.test import override_settings

from medimgr.lib.sealing import new_key
from tests.e2e.conftest import ADMIN, PASSWORD, RunningMedimgr, start_up, stop_demo
from tests.running import Instance, free_port, log_in
from tests.workstations.peer import Machine
from workstations.models import Workstation

PATIENCE_MS = 30_000
"""For what goes to a workstation and back, on a busy machine."""


@contextmanager
def medimgr_for_workstations(directory: Path) -> Iterator[tuple[RunningMedimgr, str]]:
    """Start ``manage.py up`` without services; yield it with the key of its passwords."""
    key = new_key()
    instance = Instance(
        directory,
        DJANGO_SUPERUSER_USERNAME=ADMIN,
        DJANGO_SUPERUSER_PASSWORD=PASSWORD,
        MEDIMGR_STREAM_MAX_PER_ADDRESS="100",
        MEDIMGR_ENCRYPTION_KEYS=key,
    )
    try:
        made = instance.manage("create_first_admin")
        assert made.returncode == 0, made.stderr
        port = free_port()
        up = start_up(instance, port)
        started = RunningMedimgr(
            instance, port, directory, up, log_in(f"http://127.0.0.1:{port}", ADMIN, PASSWORD)
        )
    except BaseException:
        instance.close()
        raise
    try:
        yield started, key
    finally:
        stop_demo(started)


def declare(running: RunningMedimgr, key: str, machine: Machine, **fields: Any) -> Workstation:
    """Declare what ``machine`` simulates, with its password; nobody polls it."""
    with running.instance.database(), override_settings(MEDIMGR_ENCRYPTION_KEYS=[key]):
        row = Workstation(**{**machine.fields(), "polled": False, "boot_seconds": 20, **fields})
        row.set_password(machine.password)
        row.save()
    return row
