"""The one reader of a web process: everything once and in order, through outages and odd commits."""

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from medimgr.events import tail
from medimgr.events.log import publish, write_tick
from medimgr.events.models import Event, Tick
from medimgr.events.tail import Batch, Reader
from medimgr.lib.loops import LoopGone
from tests.events.outage import outage
from tests.running import wait_for

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db(transaction=True)]


class Heard:
    """What a reader has handed on."""

    def __init__(self, **more: Any) -> None:
        self.batches: list[Batch] = []
        self.away: list[bool] = []
        self.failing: Exception | None = None
        self.reader = Reader(self.take, self.away.append)

    def take(self, batch: Batch) -> None:
        if self.failing is not None:
            failing, self.failing = self.failing, None
            raise failing
        self.batches.append(batch)

    def ids(self) -> list[int]:
        return [row.id for batch in list(self.batches) for row in batch.rows]

    def wait(self, condition: Callable[[], object], what: str) -> None:
        wait_for(condition, 10, what, lambda: repr(self.batches[-3:]))


@pytest.fixture
def heard() -> Iterator[Heard]:
    it = Heard()
    yield it
    it.reader.stop(10)


@pytest.fixture
def started(heard: Heard) -> Heard:
    heard.reader.start()
    heard.wait(lambda: heard.batches, "the reader has its position")
    return heard


def publish_one(key: str = "k") -> int:
    with transaction.atomic():
        publish("service", key, {"key-was": key})
    return newest()


def newest() -> int:
    return Event.objects.latest("id").pk


def database_url() -> str:
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    return os.environ["DATABASE_URL"].replace("/postgres?", f"/{name}?")


def test_a_reader_begins_at_the_end_of_the_log(heard: Heard) -> None:
    old = publish_one()
    heard.reader.start()
    heard.wait(lambda: heard.batches, "the reader has its position")
    assert heard.batches[0] == Batch(old)
    new = publish_one("fresh")
    heard.wait(lambda: heard.ids() == [new], "the new event alone")
    (row,) = heard.batches[-1].rows
    assert (row.topic, row.key, row.data) == ("service", "fresh", {"key-was": "fresh"})


def test_a_long_backlog_comes_in_several_batches(started: Heard) -> None:
    count = 2 * tail.ROWS_AT_ONCE + 3
    with transaction.atomic():
        for number in range(count):
            Event(topic="service", key=str(number), data={"x": "x" * 200}, at=timezone.now()).save()
        publish("service", "last", {})
    started.wait(lambda: len(started.ids()) == count + 1, "all of them")
    assert started.ids() == sorted(started.ids())
    sizes = [sum(len(row.chunk) for row in batch.rows) for batch in started.batches]
    assert max(sizes) <= tail.BATCH_BYTES
    assert sum(size > tail.BATCH_BYTES / 2 for size in sizes) > 3


def test_transactions_that_commit_in_another_order_than_they_began_lose_nothing(started: Heard) -> None:
    seed = random.randrange(10**9)
    committed: list[int] = []
    guard = threading.Lock()

    def write(number: int) -> None:
        chance = random.Random(seed + number)
        for round_number in range(6):
            try:
                with transaction.atomic():
                    if connection.vendor == "postgresql":
                        Tick.objects.count()  # the transaction has begun, whoever publishes first
                    time.sleep(chance.uniform(0, 0.01))
                    for part in range(chance.randint(1, 3)):
                        publish("service", f"{number}-{round_number}-{part}", {})
                    time.sleep(chance.uniform(0, 0.01))
                    mine = Event.objects.filter(key__startswith=f"{number}-{round_number}-")
                    ids = list(mine.values_list("id", flat=True))
                    if chance.random() < 0.2:
                        raise RuntimeError("rolled back on purpose")
                with guard:
                    committed.extend(ids)
            except RuntimeError:
                pass
        connection.close()

    threads = [threading.Thread(target=write, args=[number]) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    started.wait(lambda: len(started.ids()) >= len(committed), f"every event (seed {seed})")
    assert started.ids() == sorted(committed), f"seed {seed}"


def test_measurements_come_all_at_first_and_then_as_they_change(heard: Heard) -> None:
    write_tick("one", {"a": [1.0, 2.0]})
    write_tick("two", {"b": [3.0, 4.0]})
    heard.reader.start()
    heard.wait(lambda: heard.batches, "the reader has its position")
    assert {tick.node: tick.values for tick in heard.batches[0].ticks} == {
        "one": {"a": [1.0, 2.0]},
        "two": {"b": [3.0, 4.0]},
    }
    write_tick("two", {"b": [5.0, 4.0]})
    heard.wait(lambda: len(heard.batches) > 1, "the changed tick")
    (tick,) = heard.batches[1].ticks
    assert (tick.node, tick.values) == ("two", {"b": [5.0, 4.0]})
    assert tick.at.endswith("Z")


def test_an_outage_is_reported_and_nothing_of_it_is_lost(started: Heard) -> None:
    before = publish_one()
    started.wait(lambda: started.ids() == [before], "the first event")
    connection.close()
    with outage(database_url()):
        started.wait(lambda: started.away == [True], "the database is reported away")
    after = publish_one()
    started.wait(lambda: started.away == [True, False], "the database is reported back")
    started.wait(lambda: started.ids() == [before, after], "both events, each once")
    assert not any(batch.restarted for batch in started.batches)


def test_an_older_log_after_an_outage_is_noticed(started: Heard) -> None:
    kept = publish_one()
    last = [publish_one(), publish_one()][-1]
    started.wait(lambda: last in started.ids(), "all events")
    Event.objects.filter(id__gt=kept).delete()
    connection.close()
    with outage(database_url()):
        started.wait(lambda: started.away == [True], "the database is reported away")
    started.wait(lambda: started.batches[-1].restarted, "the other log")
    assert started.batches[-1].position == kept


def test_a_reader_that_trips_gets_up_again(started: Heard, caplog: pytest.LogCaptureFixture) -> None:
    started.failing = RuntimeError("tripped over a batch")
    tripped = publish_one()
    started.wait(lambda: started.ids() == [tripped], "the batch it tripped over, after all")
    assert "tripped over a batch" in caplog.text
    assert started.away == [True, False]


def test_a_reader_ends_with_the_loop_that_it_reads_for(started: Heard) -> None:
    started.failing = LoopGone()
    publish_one()
    wait_for(lambda: not _readers(), 10, "the thread has ended")


def test_stopping_is_quick_and_leaves_no_connection(started: Heard) -> None:
    began = time.monotonic()
    started.reader.stop(10)
    started.reader.stop(10)
    assert time.monotonic() - began < 2
    assert not _readers()
    # PostgreSQL's own process for a connection takes a moment to notice that it was closed.
    wait_for(lambda: _others_connected() == 0, 5, "the connections have gone")


def _others_connected() -> int:
    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return int(cursor.fetchone()[0])


def _readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "event-reader"]
