"""Runs ``services`` in this process, and a thread that carries out operations as a supervisor would."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connections
from django.utils import timezone

from monitoring.models import Node
from operations import lifecycle
from operations.models import Operation
from operations.registry import node_queue
from operations.states import Status
from tests.factories import make_node


@dataclass
class Outcome:
    """What a command printed, and how it ended."""

    out: str
    err: str
    code: int
    lines: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.lines = self.out.splitlines()


def services(*arguments: str) -> Outcome:
    """Run ``manage.py services`` with these arguments."""
    out, err = StringIO(), StringIO()
    code = 0
    try:
        call_command("services", *arguments, stdout=out, stderr=err, no_color=True)
    except CommandError as error:
        err.write(f"{error}\n")
        code = error.returncode
    except SystemExit as ended:
        code = int(ended.code or 0)
    return Outcome(out.getvalue(), err.getvalue(), code)


def report_now(name: str = "") -> Node:
    """Let a node look supervised for the rest of the test, however slow the machine is."""
    node = make_node(name)
    later = timezone.now() + timedelta(hours=1)
    Node.objects.filter(pk=node.pk).update(supervisor_pid=1, heartbeat_at=later)
    return node


Deed = Callable[[Operation], None]


def succeed(operation: Operation) -> None:
    lifecycle.report(operation, 0, 1, "waits for its health check")
    time.sleep(0.3)  # long enough that whoever waits sees it
    lifecycle.finish(operation, Status.SUCCESS)


def fail(operation: Operation) -> None:
    lifecycle.finish(operation, Status.FAILED, "port-busy", "Port 8101 is held by nginx (pid 4711).")


def fall_silent(_operation: Operation) -> None:
    """Take an operation up and never be heard of again."""
    Node.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=1))


@contextmanager
def operations_carried_out(deed: Deed) -> Iterator[None]:
    """Claim what is asked of this node, as its supervisor does, and end each operation by ``deed``."""
    ending = threading.Event()
    faults: list[BaseException] = []

    def carry_out() -> None:
        try:
            while not ending.wait(0.02):
                for operation in lifecycle.claim(node_queue(settings.MEDIMGR_NODE), "test"):
                    deed(operation)
        except BaseException as fault:
            faults.append(fault)
        finally:
            connections.close_all()

    thread = threading.Thread(target=carry_out)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join(10)
    assert faults == []


@pytest.fixture(autouse=True)
def quick_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitoring.command_line.waiting.POLL_SECONDS", 0.02)
