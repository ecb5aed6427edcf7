"""A poll and an operation that store what they read at the same time: the later reading stands."""

import random
import threading
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from medimgr.events.models import Event
from workstations import inventory
from workstations.ldplayer.list2 import Instance
from workstations.models import Change, Emulator, Workstation

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db(transaction=True)]

READINGS = 24
EMULATORS = 8


def reading(number: int) -> list[Instance]:
    """Return a list in which every emulator runs with a process that tells which reading it was."""
    pid = 1000 + number * 10
    return [
        Instance(index, f"Farm {index}", 1, 1, 1, pid, pid + 1, 960, 540, 160) for index in range(EMULATORS)
    ]


def test_of_many_readings_stored_at_once_in_any_order_the_last_begun_stands() -> None:
    workstation = Workstation.objects.create(name="ws-1", host="ws-1.example")
    start = timezone.now() - timedelta(seconds=READINGS)
    numbers = list(range(READINGS))
    random.Random(7).shuffle(numbers)
    barrier = threading.Barrier(4)
    faults: list[Exception] = []

    def store(mine: list[int]) -> None:
        try:
            barrier.wait(10)
            for number in mine:
                began: datetime = start + timedelta(seconds=number)
                inventory.record(workstation, reading(number), operation_id=number or None, began_at=began)
        except Exception as error:
            faults.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=store, args=(numbers[at::4],)) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert faults == []
    assert not any(thread.is_alive() for thread in threads)
    last = 1000 + (READINGS - 1) * 10
    assert set(Emulator.objects.values_list("pid", flat=True)) == {last}
    assert Emulator.objects.count() == EMULATORS
    assert Workstation.objects.get().read_at == start + timedelta(seconds=READINGS - 1)
    _told_in_order()
    assert Change.objects.filter(what="found").count() == EMULATORS


def _told_in_order() -> None:
    """Assert that no page was told an older state after a newer one, and that the last is the stored one."""
    for emulator in Emulator.objects.all():
        events = Event.objects.filter(topic="emulator", key=str(emulator.pk)).order_by("id")
        pids = [event.data["pid"] for event in events]
        assert pids == sorted(pids)
        assert pids[-1] == emulator.pid
