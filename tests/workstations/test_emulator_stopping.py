"""An emulator counts as stopped when nothing of it runs, not when it was told to quit."""

import threading
import time

import pytest
from django.db import connections

from operations.executor import Executor
from tests.running import wait_for
from tests.workstations.carrying_out import asked, carried_out, key
from tests.workstations.emulator_worlds import emulator, how, scanned
from tests.workstations.peer import Instance, Peer
from workstations.emulator_kinds import stop
from workstations.handlers import QUEUE

__all__ = ["key"]
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("key"),
    pytest.mark.both_databases,
]


def test_it_is_waited_for_until_its_processes_are_gone(peer: Peer) -> None:
    machine = peer.machine(instances=[Instance.running("shop")], in_process=True, quit_seconds=1.0)
    row = emulator(scanned(machine))
    began = time.monotonic()
    ended = carried_out("emulator.stop", row)
    assert ended.status == "SUCCESS", how(ended)
    assert time.monotonic() - began >= 1.0
    assert not machine.instance("shop").active
    row.refresh_from_db()
    assert (row.state, row.pid) == ("stopped", None)


def test_one_that_is_stopped_already_is_left_alone(peer: Peer) -> None:
    machine = peer.machine(instances=["shop"], in_process=True)
    ended = carried_out("emulator.stop", emulator(scanned(machine)))
    assert (ended.status, ended.progress_message) == ("SUCCESS", "shop (index 0) is stopped already")
    assert machine.calls() == []


def test_one_that_does_not_quit_is_asked_twice_and_then_told(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stop, "QUIT_SECONDS", 0.5)
    machine = peer.machine(instances=[Instance.running("shop")], in_process=True, ignores_quit=True)
    ended = carried_out("emulator.stop", emulator(scanned(machine)))
    assert ended.error_code == "verify-failed"
    assert str(machine.instance("shop").vbox_pid) in ended.error_detail
    assert [call[0] for call in machine.calls()] == ["quit", "quit"]


def test_a_zombie_can_be_stopped(peer: Peer) -> None:
    machine = peer.machine(instances=[Instance("shop", android=1, pid=4711)], in_process=True)
    ended = carried_out("emulator.stop", emulator(scanned(machine)))
    assert ended.status == "SUCCESS", how(ended)
    assert not machine.instance("shop").active


def test_a_stop_ends_a_start_under_way_and_has_the_last_word(peer: Peer) -> None:
    machine = peer.machine(instances=["shop"], in_process=True, boot_seconds=60)
    row = emulator(scanned(machine, boot_seconds=60))
    executor = Executor(queue_name=QUEUE, threads=4)

    def serve() -> None:
        try:
            executor.run()
        finally:
            connections.close_all()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        start = asked("emulator.start", row)
        wait_for(lambda: machine.instance("shop").active, 10, "it starts")
        halt = asked("emulator.stop", row)
        wait_for(lambda: type(halt).objects.get(pk=halt.pk).finished_at, 15, "the stop has ended")
    finally:
        executor.stop()
        thread.join(10)
    start.refresh_from_db()
    halt.refresh_from_db()
    assert start.error_code == "superseded"
    assert halt.status == "SUCCESS", how(halt)
    assert not machine.instance("shop").active
    assert machine.open_shells == []
    assert machine.tasks() == {}
