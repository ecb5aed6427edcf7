"""What a client that comes back is told, and when it has to start from a snapshot."""

import itertools
from typing import Any

import pytest
from django.db import connection, transaction

from medimgr.events.log import last_event_id, publish
from medimgr.events.models import Event
from medimgr.events.replay import MAX_REPLAY, Replay, Replays
from medimgr.events.terms import IMPOSSIBLE
from tests.events.sse import SseParser

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]


def read_replay(topics: set[str], since: int | None) -> Replay:
    return Replays().read(frozenset(topics), since)


def publish_many(count: int, topic: str = "service") -> list[int]:
    with transaction.atomic():
        for number in range(count):
            publish(topic, f"k{number}", {"n": number})
    return sorted(Event.objects.values_list("id", flat=True))[-count:]


def test_a_first_visit_starts_now() -> None:
    ids = publish_many(3)
    replay = read_replay({"service"}, None)
    assert (replay.since, replay.position, replay.events, replay.reset) == (ids[-1], ids[-1], (), False)


def test_everything_after_the_last_event_is_replayed_in_order() -> None:
    ids = publish_many(5)
    replay = read_replay({"service"}, ids[1])
    assert [number for number, _ in replay.events] == ids[2:]
    assert (replay.since, replay.position, replay.reset) == (ids[1], ids[-1], False)
    (message,) = SseParser().feed(replay.events[0][1])
    assert message.data == {"n": 2, "key": "k2"}


def test_only_the_topics_of_the_stream_are_replayed() -> None:
    (first, *_) = publish_many(2)
    node = publish_many(1, "node")
    publish_many(1, "operation")
    assert [number for number, _ in read_replay({"node"}, first).events] == node


def test_who_has_everything_gets_nothing() -> None:
    ids = publish_many(2)
    replay = read_replay({"service"}, ids[-1])
    assert (replay.events, replay.reset) == ((), False)


def test_a_log_that_no_longer_reaches_back_brings_a_reset() -> None:
    ids = publish_many(5)
    Event.objects.filter(id__lte=ids[2]).delete()
    assert read_replay({"service"}, ids[1]).reset
    assert not read_replay({"service"}, ids[2]).reset, "the first that it misses is still there"


@pytest.mark.parametrize("moment", range(4))
def test_what_is_pruned_while_the_replay_is_read_does_not_go_missing_in_silence(moment: int) -> None:
    ids = publish_many(5)
    queries = itertools.count()

    def prune_in_between(execute: Any, *query: Any) -> Any:
        if next(queries) == moment:
            Event.objects.filter(id__lte=ids[2]).delete()
        return execute(*query)

    with connection.execute_wrapper(prune_in_between):
        replay = read_replay({"service"}, ids[0])
    assert next(queries) > moment or moment == 3, "the log was pruned"
    assert replay.reset or [number for number, _ in replay.events] == ids[1:]


@pytest.mark.parametrize("ahead", [1, IMPOSSIBLE])
def test_an_id_ahead_of_the_log_brings_a_reset(ahead: int) -> None:
    newest = publish_many(2)[-1]
    replay = read_replay({"service"}, min(newest + ahead, IMPOSSIBLE))
    assert (replay.reset, replay.since, replay.position) == (True, newest, newest)


def test_an_empty_log_has_nothing_to_replay_and_nothing_to_reset() -> None:
    assert last_event_id() == 0
    assert not read_replay({"service"}, 0).reset
    assert read_replay({"service"}, 4).reset, "somebody knows an event that the log has not got"


def test_a_thousand_missed_events_are_replayed_and_one_more_brings_a_reset() -> None:
    (before,) = publish_many(1)
    with transaction.atomic():
        Event.objects.bulk_create(
            Event(topic="service", key="k", data={}, at=Event.objects.get(id=before).at)
            for _ in range(MAX_REPLAY)
        )
    assert len(read_replay({"service"}, before).events) == MAX_REPLAY
    publish_many(1)
    assert read_replay({"service"}, before).reset


def test_more_than_a_client_could_take_at_once_brings_a_reset() -> None:
    (before,) = publish_many(1)
    with transaction.atomic():
        for number in range(6):
            publish("service", str(number), {"filling": "x" * 100_000})
    assert read_replay({"service"}, before).reset
    assert not read_replay({"service"}, before + 1).reset
