"""What a reading shows is stored and published as far as it is new, and no further."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from medimgr.events.models import Event
from workstations import inventory
from workstations.ldplayer.configs import Config
from workstations.ldplayer.list2 import Instance
from workstations.models import Change, Emulator, Workstation

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db(transaction=True)]


def declared(name: str = "ws-1") -> Workstation:
    return Workstation.objects.create(name=name, host=f"{name}.example")


def stopped(index: int, title: str = "", **fields: int | None) -> Instance:
    values = {"width": 960, "height": 540, "dpi": 160} | fields
    return Instance(index, title or f"Farm {index}", 0, 0, 0, -1, -1, **values)


def running(index: int, title: str = "", pid: int = 500, **fields: int | None) -> Instance:
    values = {"width": 960, "height": 540, "dpi": 160} | fields
    return Instance(index, title or f"Farm {index}", 1, 1, 1, pid, pid + 1, **values)


def read(workstation: Workstation, *instances: Instance, **given: object) -> list[Emulator]:
    return inventory.record(workstation, instances, **{"began_at": timezone.now(), **given})  # type: ignore[arg-type]


def published(topic: str = "emulator") -> list[tuple[str, object]]:
    """Return key and state of each event so far, and forget them."""
    rows = Event.objects.filter(topic=topic).order_by("id")
    found = [(row.key, row.data.get("state", row.data.get("status", row.data))) for row in rows]
    rows.delete()
    return found


def history(workstation: Workstation) -> list[tuple[int | None, str, str, str]]:
    """Return index, what, before and after of each change, the oldest first, and forget them."""
    rows = Change.objects.filter(workstation=workstation).order_by("id")
    found = [(row.index, row.what, row.before, row.after) for row in rows]
    rows.delete()
    return found


def test_a_first_reading_stores_and_tells_all_emulators_and_that_the_workstation_is_online() -> None:
    workstation = declared()
    published("workstation")
    rows = read(workstation, stopped(0), running(4))
    assert [(row.index, row.title, row.state, row.pid, row.vbox_pid) for row in rows] == [
        (0, "Farm 0", "stopped", None, None),
        (4, "Farm 4", "running", 500, 501),
    ]
    assert [row.public() for row in rows] == [row.public() for row in Emulator.objects.order_by("index")]
    assert published() == [(str(rows[0].pk), "stopped"), (str(rows[1].pk), "running")]
    assert published("workstation") == [(str(workstation.pk), "online")]
    assert history(workstation) == [
        (None, "status", "unknown", "online"),
        (0, "found", "", "stopped"),
        (4, "found", "", "running"),
    ]


def test_a_reading_that_shows_nothing_new_writes_and_tells_nothing() -> None:
    workstation = declared()
    read(workstation, stopped(0), running(4))
    Event.objects.all().delete()
    before = Workstation.objects.get().read_at
    with CaptureQueriesContext(connection) as queries:
        read(workstation, stopped(0), running(4))
    assert len(queries) == 2
    assert not Event.objects.exists()
    assert Workstation.objects.get().read_at == before


def test_the_times_of_a_quiet_workstation_are_written_once_in_five_minutes_without_an_event() -> None:
    workstation = declared()
    read(workstation, stopped(0))
    Event.objects.all().delete()
    Change.objects.all().delete()
    old = timezone.now() - inventory.SEEN_EVERY
    Workstation.objects.update(read_at=old, seen_at=old)
    Emulator.objects.update(seen_at=old)
    read(workstation, stopped(0))
    assert Workstation.objects.filter(read_at__gt=old, seen_at__gt=old).exists()
    assert Emulator.objects.filter(seen_at__gt=old).exists()
    assert not Event.objects.exists()
    assert not Change.objects.exists()


def test_only_what_changed_is_told() -> None:
    workstation = declared()
    rows = read(workstation, stopped(0), running(1), stopped(2))
    published()
    history(workstation)
    read(workstation, running(0, pid=700), running(1), stopped(2), operation_id=77)
    assert published() == [(str(rows[0].pk), "running")]
    assert Change.objects.get().operation_id == 77
    assert history(workstation) == [(0, "state", "stopped", "running")]


def test_a_new_process_is_told_but_is_no_history() -> None:
    workstation = declared()
    (row,) = read(workstation, running(0, pid=700))
    published()
    history(workstation)
    (after,) = read(workstation, running(0, pid=800))
    assert (after.pk, after.pid, after.state_since) == (row.pk, 800, row.state_since)
    assert published() == [(str(row.pk), "running")]
    assert history(workstation) == []


def test_an_emulator_that_is_not_listed_any_more_is_gone() -> None:
    workstation = declared()
    first, second = read(workstation, stopped(0), stopped(3))
    published()
    history(workstation)
    assert [row.pk for row in read(workstation, stopped(3))] == [second.pk]
    assert published() == [(str(first.pk), {"deleted": True, "workstation": workstation.pk})]
    assert history(workstation) == [(0, "gone", "stopped", "")]
    assert read(workstation) == []
    assert not Emulator.objects.exists()


def test_a_title_that_was_changed_outside_is_the_same_emulators() -> None:
    workstation = declared()
    before = read(workstation, stopped(0), running(1))
    published()
    history(workstation)
    after = read(workstation, stopped(0, "Farm A"), running(1, "Farm B"))
    assert [(row.pk, row.title) for row in after] == [(before[0].pk, "Farm A"), (before[1].pk, "Farm B")]
    assert history(workstation) == [(0, "title", "Farm 0", "Farm A"), (1, "title", "Farm 1", "Farm B")]


@pytest.mark.parametrize(
    "now",
    [
        pytest.param([stopped(0, "Other", width=1280)], id="of another size"),
        pytest.param([stopped(0, "Farm 1")], id="called as the one that went"),
    ],
)
def test_an_index_that_holds_another_emulator_is_one_gone_and_one_found(now: list[Instance]) -> None:
    workstation = declared()
    first, second = read(workstation, stopped(0), stopped(1))
    published()
    history(workstation)
    (row,) = read(workstation, *now)
    assert row.pk not in (first.pk, second.pk)
    told = dict(published())
    assert told[str(first.pk)] == told[str(second.pk)] == {"deleted": True, "workstation": workstation.pk}
    assert told[str(row.pk)] == "stopped"
    assert sorted(what for _, what, _, _ in history(workstation)) == ["found", "gone", "gone"]


def test_emulators_that_swapped_their_titles_are_others() -> None:
    workstation = declared()
    before = read(workstation, stopped(0, "a"), stopped(1, "b"))
    after = read(workstation, stopped(0, "b"), stopped(1, "a"))
    assert {row.pk for row in before}.isdisjoint(row.pk for row in after)
    assert Emulator.objects.count() == 2


def test_processors_and_memory_stay_where_they_were_not_asked_for() -> None:
    workstation = declared()
    read(workstation, stopped(0), configs={0: Config(index=0, cpu=2, memory_mb=2048)})
    history(workstation)
    (row,) = read(workstation, running(0))
    assert (row.cpu, row.memory_mb) == (2, 2048)
    (row,) = read(workstation, running(0), configs={0: Config(index=0, fault="in use")})
    assert (row.cpu, row.memory_mb) == (2, 2048)
    (row,) = read(workstation, running(0), configs={0: Config(index=0, cpu=4)})
    assert (row.cpu, row.memory_mb) == (4, None)
    assert history(workstation)[1:] == [(0, "cpu", "2", "4"), (0, "memory", "2048", "")]


def test_a_size_that_the_list_does_not_tell_is_taken_from_the_config() -> None:
    workstation = declared()
    seven = stopped(0, width=None, height=None, dpi=None)
    read(workstation, seven, configs={0: Config(index=0, width=960, height=540, dpi=160)})
    history(workstation)
    (row,) = read(workstation, seven)
    assert (row.width, row.height, row.dpi) == (960, 540, 160)
    read(workstation, seven, configs={0: Config(index=0, width=1280, height=720, dpi=240)})
    assert history(workstation) == [(0, "size", "960×540, 160 dpi", "1280×720, 240 dpi")]


def test_a_copy_under_way_has_no_size_yet() -> None:
    workstation = declared()
    (row,) = read(workstation, stopped(0, width=0, height=0, dpi=0))
    assert (row.width, row.height, row.dpi) == (None, None, None)
    history(workstation)
    read(workstation, stopped(0))
    assert history(workstation) == [(0, "size", "", "960×540, 160 dpi")]


def test_titles_that_no_database_takes_are_stored_as_far_as_they_can_be() -> None:
    workstation = declared()
    title = "a\x00" + "雷" * 300
    (row,) = read(workstation, stopped(0, title))
    row.refresh_from_db()
    assert row.title == ("a\ufffd" + "雷" * 300)[:200]
    published()
    read(workstation, stopped(0, title))
    assert published() == []


def test_two_hundred_emulators_take_as_few_queries_as_twenty() -> None:
    counts = []
    for number in (1, 20, 200):
        workstation = declared(f"ws-{number}")
        read(workstation, *(stopped(index) for index in range(number)))
        with CaptureQueriesContext(connection) as queries:
            read(workstation, *(running(index, pid=900 + 2 * index) for index in range(number)))
        counts.append(len(queries))
        assert Emulator.objects.filter(workstation=workstation, state="running").count() == number
    assert counts[0] == counts[1]
    assert counts[2] - counts[1] <= 10, counts  # SQLite takes some tens of rows a query


def test_other_workstations_and_what_a_form_saved_meanwhile_are_left_alone() -> None:
    workstation, other = declared("ws-1"), declared("ws-2")
    (theirs,) = read(other, running(0))
    stale = Workstation.objects.get(pk=workstation.pk)
    Workstation.objects.filter(pk=workstation.pk).update(host="new.example", tags=["shop"])
    read(stale, stopped(0))
    stored = Workstation.objects.get(pk=workstation.pk)
    assert (stored.host, stored.tags, stored.status) == ("new.example", ["shop"], "online")
    theirs.refresh_from_db()
    assert theirs.state == "running"


def test_nothing_is_stored_of_a_workstation_that_was_deleted_meanwhile() -> None:
    workstation = declared()
    Workstation.objects.filter(pk=workstation.pk).delete()
    Event.objects.all().delete()
    assert read(workstation, stopped(0)) == []
    assert not Emulator.objects.exists()
    assert not Event.objects.exists()


def test_a_reading_that_began_before_an_operation_read_back_undoes_nothing() -> None:
    workstation = declared()
    poll_began = timezone.now()
    read(workstation, stopped(0))
    read(workstation, running(0), operation_id=1)
    published()
    (row,) = read(workstation, stopped(0), began_at=poll_began)
    assert row.state == "running"
    assert Emulator.objects.get().state == "running"
    assert published() == []


def test_what_an_operation_read_counts_although_it_showed_nothing_new() -> None:
    workstation = declared()
    read(workstation, running(0))
    poll_began = timezone.now()
    read(workstation, running(0), operation_id=1)
    read(workstation, stopped(0), began_at=poll_began)
    assert Emulator.objects.get().state == "running"


def test_a_clock_that_was_set_back_stops_nothing() -> None:
    workstation = declared()
    read(workstation, stopped(0))
    Workstation.objects.update(read_at=timezone.now() + timedelta(hours=1))
    read(workstation, running(0))
    assert Emulator.objects.get().state == "running"
    assert Workstation.objects.filter(read_at__lte=timezone.now()).exists()
