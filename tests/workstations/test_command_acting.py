"""From a shell: check, scan, start and stop, carried out by a worker on a simulated workstation."""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connections

from operations.executor import Executor
from operations.models import Operation
from tests.workstations.carrying_out import declared, key
from tests.workstations.peer import Peer
from workstations.handlers import QUEUE
from workstations.models import Emulator, Workstation

__all__ = ["key"]
pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def worker() -> Iterator[None]:
    executor = Executor(queue_name=QUEUE, threads=2)

    def work() -> None:
        try:
            executor.run()
        finally:
            connections.close_all()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        executor.stop()
        thread.join(20)
    assert not thread.is_alive()


def run(*words: str) -> str:
    out = io.StringIO()
    call_command("workstations", *words, stdout=out, stderr=out, no_color=True)
    return out.getvalue()


@pytest.mark.usefixtures("key")
def test_emulators_are_read_started_and_stopped_from_a_shell(peer: Peer) -> None:
    machine = peer.machine("pc-1", instances=["Farm, 1", "Farm 2"])
    declared(machine)
    with worker():
        assert "pc-1: read in" in run("scan", "pc-1")
        assert "Farm, 1" in run("show", "pc-1")
        told = run("start", "pc-1", "--emulator", "Farm, 1", "--reason", "morning", "--timeout", "60")
        assert "pc-1, Farm, 1 (0): started in" in told
        assert Emulator.objects.get(title="Farm, 1").state == "running"
        assert "stopped in" in run("stop", "pc-1", "--index", "0")
    asked = Operation.objects.get(kind="emulator.start")
    assert (asked.reason, asked.source) == ("morning", "command")


@pytest.mark.usefixtures("key")
def test_what_fails_is_told_and_the_exit_status_says_so(peer: Peer) -> None:
    machine = peer.machine("pc-1", instances=["Farm 1"])
    row = declared(machine)
    row.set_password("wrong")
    row.save()
    out = io.StringIO()
    with worker(), pytest.raises(CommandError, match="0 of 1 were done"):
        call_command("workstations", "scan", "pc-1", stdout=out, stderr=out)
    assert "workstation-authentication" in out.getvalue()


def test_without_waiting_it_is_only_asked_for() -> None:
    for number in range(3):
        Workstation.objects.create(name=f"pc-{number}", host=f"h{number}", tags=["t"])
    assert "pc-0: asked for as operation" in run("check", "--tag", "t", "--no-wait")
    assert Operation.objects.filter(kind="workstation.check-host").count() == 3


@pytest.mark.parametrize(
    "words",
    [
        ("scan",),
        ("scan", "pc-1", "--all"),
        ("start",),
        ("start", "pc-1"),
        ("start", "pc-1", "--all", "--index", "0"),
        ("stop", "--tag", "t"),
        ("stop", "--tag", "t", "--index", "0"),
        ("restart", "pc-1", "--tag", "t", "--all"),
    ],
)
def test_what_is_not_clear_is_not_asked_for(words: tuple[str, ...]) -> None:
    Workstation.objects.create(name="pc-1", host="h", tags=["t"])
    with pytest.raises(CommandError, match="Say which"):
        run(*words)
    assert not Operation.objects.exists()


def test_what_is_not_there_is_named_with_what_is() -> None:
    row = Workstation.objects.create(name="pc-1", host="h")
    Emulator.objects.create(workstation=row, index=0, title="farm")
    with pytest.raises(CommandError, match=r"no emulator 'barn', with index 7 there. Known: farm \(0\)"):
        run("start", "pc-1", "--emulator", "barn", "--index", "7")
    with pytest.raises(CommandError, match="Did you mean pc-1") as caught:
        run("stop", "pc-2", "--all")
    assert caught.value.returncode == 2
