"""Whatever an operation waits for, a cancel ends it at once, with nothing left open on the workstation."""

import threading
import time
from typing import Any

import pytest
from django.db import connections

from operations import lifecycle
from operations.executor import Executor
from operations.log_reading import read_all
from operations.requester import Requester
from tests.operations.asking import wait_until_ended
from tests.running import wait_for
from tests.workstations.carrying_out import asked, key
from tests.workstations.emulator_worlds import how, scanned
from tests.workstations.peer import Instance, Peer
from workstations.handlers import QUEUE
from workstations.models import Emulator

__all__ = ["key"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("key")]


@pytest.mark.parametrize(
    ("verb", "title", "parameters", "begun"),
    [
        ("start", "still", {}, "Waiting until still runs"),
        ("stop", "runs", {}, "Stopping runs"),
        ("restart", "runs", {}, "Stopping runs"),
        ("clone", "still", {"title": "new"}, "Waiting until new (index 3) is whole"),
        ("rename", "still", {"title": "new"}, "Renaming still"),
        ("install-app", "runs", {"package": "com.example.shop"}, "Installing com.example.shop"),
    ],
)
def test_it_is_cancelled_within_a_second_or_two(
    peer: Peer, verb: str, title: str, parameters: dict[str, Any], begun: str
) -> None:
    machine = peer.machine(
        instances=["still", Instance.running("runs"), "other"],
        in_process=True,
        boot_seconds=600,
        ignores_quit=True,
        ignores_rename=True,
        ignores_install=True,
        copy_seconds=600,
    )
    row = Emulator.objects.get(workstation=scanned(machine, boot_seconds=600), title=title)
    executor = Executor(queue_name=QUEUE, threads=1)

    def serve() -> None:
        try:
            executor.run()
        finally:
            connections.close_all()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        operation = asked(f"emulator.{verb}", row, **parameters)

        def waits() -> bool:
            operation.refresh_from_db()
            return operation.progress_message.startswith(begun)

        wait_for(waits, 15, f"it waits: {operation.progress_message}")
        began = time.monotonic()
        lifecycle.request_cancel(operation, Requester("alice", "page"))
        ended = wait_until_ended(operation, 5)
        took = time.monotonic() - began
    finally:
        executor.stop()
        thread.join(15)
    assert ended.status == "CANCELLED", how(ended)
    assert took < 3
    said = [line.text for line in read_all(operation.pk) if line.level == "warning"]
    assert any(line.startswith(f"Not finished: {begun}") for line in said), said
    wait_for(lambda: not machine.open_shells, 5, "its shell is closed")
    wait_for(lambda: not machine.open_connections, 5, "its connection is closed")
    assert machine.tasks() == {}
