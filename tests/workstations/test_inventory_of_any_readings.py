"""Whatever is read one after another: rows are what was read last, and who follows the events knows it."""

import random

import pytest
from django.utils import timezone

from medimgr.events.models import Event
from workstations import inventory
from workstations.exceptions import Unreachable
from workstations.ldplayer.configs import Config
from workstations.ldplayer.list2 import Instance, state_of
from workstations.models import Change, Emulator, Workstation

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db(transaction=True)]

TITLES = ["a", "b", "c", "a,b", "雷电"]


def any_list(dice: random.Random) -> list[Instance]:
    """Return a list with holes, doubles of titles, and emulators in any state."""
    instances = []
    for index in sorted(dice.sample(range(6), dice.randrange(6))):
        android = dice.choice([0, 0, 1, 2])
        pid = dice.choice([-1, 100 + index, 200 + index])
        vbox_pid = dice.choice([-1, 300 + index])
        width = dice.choice([0, 960, 960, 1280])
        instances.append(
            Instance(index, dice.choice(TITLES), 0, 0, android, pid, vbox_pid, width, width, 160)
        )
    return instances


def any_configs(dice: random.Random) -> dict[int, Config] | None:
    if dice.random() < 0.5:
        return None
    return {index: Config(index=index, cpu=dice.choice([None, 2, 4])) for index in range(6)}


@pytest.mark.parametrize("seed", range(12))
def test_rows_are_what_was_read_last_and_the_events_tell_the_same(seed: int) -> None:
    dice = random.Random(seed)
    workstation = Workstation.objects.create(name="ws-1", host="ws-1.example")
    for _ in range(12):
        if dice.random() < 0.2:
            inventory.record_failure(workstation, Unreachable("Nobody answers."))
            assert set(Emulator.objects.values_list("state", flat=True)) <= {"unknown"}
        else:
            instances = any_list(dice)
            returned = inventory.record(workstation, instances, any_configs(dice), began_at=timezone.now())
            stored = list(Emulator.objects.order_by("index"))
            assert [row.public() for row in returned] == [row.public() for row in stored]
            assert [(row.index, row.title, row.state) for row in stored] == [
                (one.index, one.title, state_of(one)) for one in instances
            ]
        assert followed() == {str(row.pk): row.public() for row in Emulator.objects.all()}
    _history_adds_up()


def followed() -> dict[str, dict[str, object]]:
    """Return the emulators as a page knows them that has seen nothing but the events."""
    known: dict[str, dict[str, object]] = {}
    for event in Event.objects.filter(topic="emulator").order_by("id"):
        known[event.key] = event.data
        if event.data.get("deleted"):
            del known[event.key]
    return known


def _history_adds_up() -> None:
    """Assert that the emulators that came and went are those that are there."""
    there: dict[int, int] = {}
    for change in Change.objects.filter(what__in=("found", "gone")).order_by("id"):
        assert change.index is not None
        there[change.index] = there.get(change.index, 0) + (1 if change.what == "found" else -1)
        assert there[change.index] in (0, 1), change
    assert sorted(index for index, count in there.items() if count) == sorted(
        Emulator.objects.values_list("index", flat=True)
    )
