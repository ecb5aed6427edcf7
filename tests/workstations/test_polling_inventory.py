"""The emulators of all workstations are read regularly: differences written, nobody held up by another."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.db import connections
from django.test import override_settings
from django.utils import timezone

from medimgr.events.log import last_event_id
from medimgr.lib.sealing import new_key
from operations import chores
from tests.running import wait_for
from tests.workstations.peer import Instance, Machine, Peer
from tests.workstations.polling_worlds import declared, events_after, statements
from workstations.models import Change, Emulator, Workstation
from workstations.polling import reading
from workstations.polling.beats import left_until
from workstations.polling.inventories import Remembered, Round, seconds_each
from workstations.polling.reachability import look_who_answers

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db(transaction=True)]

EVERY = 1.0


@pytest.fixture(autouse=True)
def keys() -> Iterator[None]:
    """Have a key for passwords, and intervals so short that everybody's turn is at their beginning."""
    with override_settings(
        MEDIMGR_ENCRYPTION_KEYS=[new_key()],
        MEDIMGR_REACHABILITY_SECONDS=EVERY,
        MEDIMGR_INVENTORY_SECONDS=EVERY,
    ):
        yield


@pytest.fixture
def quick() -> Iterator[Peer]:
    """Simulated workstations whose ldconsole is a function: for those tests that are not about it."""
    with Peer(in_process=True) as peer:
        yield peer


def readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("inventory")]


def online(*machines: Machine) -> list[Workstation]:
    found = []
    for machine in machines:
        workstation = machine.declare()
        Workstation.objects.filter(pk=workstation.pk).update(status="online", status_since=timezone.now())
        found.append(workstation)
    return found


def going(work: Callable[[], object]) -> threading.Thread:
    def go() -> None:
        work()
        connections.close_all()

    thread = threading.Thread(target=go)
    thread.start()
    return thread


def poll(known: Remembered | None = None, stopping: threading.Event | None = None) -> str:
    """Do one round as the first of its interval."""
    known = known or Remembered()
    known.turns.keep(set())
    known.returned.clear()
    return Round(stopping or threading.Event(), EVERY, known).run()


def states(workstation: Workstation) -> dict[str, str]:
    return dict(Emulator.objects.filter(workstation=workstation).values_list("title", "state"))


def test_emulators_are_found_with_what_they_have_and_published(peer: Peer) -> None:
    machine = peer.machine(
        "pc-1", instances=[Instance.running("Farm, 1"), Instance("农场 2", cpu=4, memory_mb=4096)]
    )
    [workstation] = online(machine)
    last = last_event_id()
    assert poll() == ""
    assert states(workstation) == {"Farm, 1": "running", "农场 2": "stopped"}
    second = Emulator.objects.get(title="农场 2")
    assert (second.cpu, second.memory_mb, second.width) == (4, 4096, 960)
    assert {state for _, state in events_after(last, "emulator")} == {"running", "stopped"}
    assert machine.open_shells == []
    wait_for(lambda: machine.open_connections == 0, 5, "nobody is connected any more")
    assert readers() == []


def test_a_quiet_workstation_costs_no_write_and_a_change_one_event(quick: Peer) -> None:
    machine = quick.machine("pc-1", instances=["Farm 1", "Farm 2"])
    [workstation] = online(machine)
    known = Remembered()
    poll(known)
    last = last_event_id()
    with statements() as (every, writes):
        reading.read_one(workstation.pk, 10.0, threading.Event(), known.configs)
    assert writes == []
    assert len(every) <= 4, every
    with machine.change() as state:
        state.instances[1].begin(4711)
    poll(known)
    [(_, state_then)] = events_after(last, "emulator")
    assert state_then in ("starting", "running")
    assert events_after(last) == []
    scripts = [one for one in machine.commands if "powershell" in str(one).lower()]
    assert len(scripts) <= 1, "Configs are read again although the list has the same emulators."


def test_who_is_offline_is_not_asked_and_his_emulators_are_unknown_until_he_is_back(quick: Peer) -> None:
    machine = quick.machine("pc-1", instances=[Instance.running("Farm 1")])
    [workstation] = online(machine)
    known = Remembered()
    poll(known)
    quick.close_port(machine)
    last = last_event_id()
    look_who_answers()
    assert events_after(last) == [(str(workstation.pk), "offline")]
    assert events_after(last, "emulator") == [(str(Emulator.objects.get().pk), "unknown")]
    asked = machine.requests
    last = last_event_id()
    poll(known)
    look_who_answers()
    assert (machine.requests, last_event_id()) == (asked, last)
    quick.open_port(machine)
    look_who_answers()
    poll(known)
    assert states(workstation) == {"Farm 1": "running"}
    assert [word for _, word in events_after(last, "emulator")] == ["running"]


def test_who_comes_back_is_read_at_once_out_of_turn(quick: Peer) -> None:
    machine = quick.machine("pc-1", instances=["Farm 1"])
    workstation = machine.declare()
    stopping = threading.Event()
    # Of ten neighbouring keys some have their turn late in any interval, and the round waits for those.
    others = [
        declared(f"other-{number}", 9, host=f"127.0.3.{number + 1}", status="online", read_at=timezone.now())
        for number in range(10)
    ]
    far = 1e10
    now = time.time()
    assert max(left_until(one.pk, now, far, far) for one in others) > 3600
    round_ = going(Round(stopping, far, Remembered()).run)
    try:
        assert states(workstation) == {}
        look_who_answers()
        wait_for(lambda: states(workstation), 5, "the emulators of who came back are there")
    finally:
        stopping.set()
        round_.join(10)


def test_hosts_that_stall_delay_nobody_and_are_cut_off(quick: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = [quick.machine(f"slow-{number}", instances=["Farm"]) for number in range(15)]
    good = [quick.machine(f"good-{number}", instances=["Farm"]) for number in range(10)]
    for machine in slow:
        machine.faults.stall_in_receive = -1
    workstations = online(*slow, *good)
    monkeypatch.setattr("workstations.polling.inventories._SHORTEST", 2.0)
    begin = time.monotonic()
    waiting = going(poll)
    wait_for(
        lambda: Workstation.objects.filter(name__startswith="good", read_at__isnull=False).count() == 10,
        5,
        "those in order are read while the others stall",
    )
    waiting.join(30)
    assert time.monotonic() - begin < 12
    assert not readers()
    failed = Workstation.objects.filter(pk__in=[one.pk for one in workstations[:15]])
    assert set(failed.values_list("status", "error_code")) == {("error", "workstation-timeout")}
    wait_for(lambda: not any(machine.open_shells for machine in slow), 10, "no shell is left")


def test_a_wrong_password_is_an_error_said_once_and_not_tried_again_soon(quick: Peer) -> None:
    machine = quick.machine("pc-1", instances=["Farm 1"])
    [workstation] = online(machine)
    machine.change_password("another one")
    known = Remembered()
    last = last_event_id()
    for _ in range(3):
        poll(known)
        look_who_answers()
    workstation.refresh_from_db()
    assert (workstation.status, workstation.error_code) == ("error", "workstation-authentication")
    assert events_after(last) == [(str(workstation.pk), "error")]
    assert machine.failed_logins <= 2, "Windows would lock the account."
    Workstation.objects.filter(pk=workstation.pk).update(next_probe_at=timezone.now() - timedelta(seconds=1))
    machine.change_password(workstation.access().password)
    poll(known)
    workstation.refresh_from_db()
    assert (workstation.status, workstation.error_code) == ("online", "")


def test_one_reset_is_no_news(quick: Peer) -> None:
    machine = quick.machine("pc-1", instances=["Farm 1"])
    [workstation] = online(machine)
    machine.faults.rst_in_receive = 1
    poll()
    workstation.refresh_from_db()
    assert (workstation.status, states(workstation)) == ("online", {"Farm 1": "stopped"})
    assert not Change.objects.filter(what="status").exists()


def test_who_was_deleted_or_taken_from_polling_is_left_alone(quick: Peer) -> None:
    machines = [quick.machine(f"pc-{number}", instances=["Farm"]) for number in range(2)]
    left, deleted = online(*machines)
    Workstation.objects.filter(pk=left.pk).update(polled=False)
    pk = deleted.pk
    deleted.delete()
    for one in (left.pk, pk):
        reading.read_one(one, 5.0, threading.Event(), reading.Memory())
    poll()
    assert [machine.requests for machine in machines] == [0, 0]


def test_a_round_ends_within_a_second_of_the_workers_stop_and_leaves_nothing(quick: Peer) -> None:
    machines = [quick.machine(f"pc-{number}", instances=["Farm"]) for number in range(5)]
    for machine in machines:
        machine.faults.stall_in_receive = -1
    online(*machines)
    stopping = threading.Event()
    round_ = going(lambda: poll(stopping=stopping))
    wait_for(lambda: all(machine.commands for machine in machines), 10, "all are being read")
    begin = time.monotonic()
    stopping.set()
    round_.join(10)
    assert time.monotonic() - begin < 2.0
    assert readers() == []
    wait_for(lambda: not any(machine.open_shells for machine in machines), 5, "no shell is left")
    assert set(Workstation.objects.values_list("status", flat=True)) == {"online"}, "It says nothing of them."


def test_a_workstation_is_read_once_in_an_interval_and_not_twice_at_a_time(quick: Peer) -> None:
    machine = quick.machine("pc-1", instances=["Farm 1"])
    [workstation] = online(machine)
    machine.faults.stall_in_receive = 1
    machine.faults.stall_seconds = 1.5
    first = going(poll)
    wait_for(lambda: machine.commands, 5, "it is being read")
    assert poll() == "1 still being read from the last time"
    first.join(10)
    assert states(workstation) == {"Farm 1": "stopped"}
    shells = machine.actions.count("Create")
    known = Remembered()
    every = 1e10  # the same interval still, whenever this runs
    known.turns.take(workstation.pk, int(time.time() // every))
    Round(threading.Event(), every, known).run()
    assert machine.actions.count("Create") == shells


@pytest.mark.parametrize(("every", "each"), [(60.0, 24.0), (600.0, 25.0), (5.0, 5.0), (30.0, 12.0)])
def test_one_workstation_has_a_part_of_the_interval(every: float, each: float) -> None:
    assert seconds_each(every) == each


def test_the_chore_is_registered_with_its_interval() -> None:
    known = chores.all_chores()
    assert known["workstations.inventory"].steady
    assert known["workstations.reachability"].steady
    assert "emulators" in known["workstations.inventory"].does
