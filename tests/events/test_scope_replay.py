"""What a limited account has missed, at the stream's door and by poll: what it would have heard, no more."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from medimgr.events.audience import GONE, Audience
from medimgr.events.log import publish, write_tick
from medimgr.events.models import Event
from medimgr.events.replay import MAX_REPLAY, Replays, read_missed
from medimgr.lib.scope import EVERYTHING, NOTHING, Scope, group_label
from tests.events.limits import limit, reaching
from tests.factories import make_service

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]

GROUPS = ("a", "b", "ä", "")


def happen(topic: str, key: str, into: str = "", out_of: str = "") -> int:
    """Publish one event and return its id."""
    left = group_label(out_of) if out_of else frozenset()
    with transaction.atomic():
        publish(topic, key, {"of": into}, group_label(into), left)
    return Event.objects.latest("id").pk


class TestAReplayTellsWhatTheStreamWouldHaveTold(TestCase):
    """A property over what happened and who asks."""

    @settings(max_examples=25, deadline=None)
    @given(
        happened=st.lists(st.tuples(st.sampled_from(GROUPS), st.sampled_from(GROUPS)), max_size=8),
        scope=st.sampled_from([EVERYTHING, NOTHING, reaching("a"), reaching("ä", "b")]),
    )
    def test_it_agrees(self, happened: list[tuple[str, str]], scope: Scope) -> None:
        since = happen("node", "n")
        expected: list[tuple[int, str, dict[str, Any]]] = []
        for into, out_of in happened:
            number = happen("service", "web", into, out_of)
            if scope.shows(group_label(into)):
                expected.append((number, "service", {"of": into}))
            elif scope.reaches(group_label(out_of)):
                expected.append((number, "service", GONE))
            number = happen("node", "n", into)
            expected.append((number, "node", {"of": into}))
        missed = read_missed(["service", "node"], since, scope)
        assert [(row[0], row[1], row[3]) for row in missed.rows] == expected
        replay = Replays().read(frozenset({"service", "node"}), since, scope)
        assert [number for number, _ in replay.events] == [number for number, *_ in expected]
        assert replay.position == Event.objects.latest("id").pk


def test_much_that_is_not_theirs_is_no_reason_for_a_reset() -> None:
    since = happen("service", "web", "a")
    with transaction.atomic():
        for _ in range(MAX_REPLAY + 1):
            publish("service", "db", {}, group_label("b"))
    mine = happen("service", "web", "a")
    missed = read_missed(["service"], since, reaching("a"))
    assert (missed.reset, [row[0] for row in missed.rows]) == (False, [mine])
    assert read_missed(["service"], since, reaching("b")).reset


def test_two_with_the_same_scope_are_read_for_once(django_assert_num_queries: Callable[..., Any]) -> None:
    since = happen("service", "web", "a")
    happen("service", "web", "a")
    replays = Replays()
    topics = frozenset({"service"})
    with django_assert_num_queries(4):
        first = replays.read(topics, since, reaching("a"))
        assert replays.read(topics, since, reaching("a")) is first
        assert replays.read(topics, since, reaching("b")).events == ()


# --- by poll --------------------------------------------------------------------------------------------


@pytest.fixture
def limited(client: Client, alice: User) -> Client:
    """Alice, limited to the group ``a``."""
    limit(alice, "a")
    client.force_login(alice, "django.contrib.auth.backends.ModelBackend")
    return client


def poll(client: Client, **query: Any) -> dict[str, Any]:
    answer = client.get("/events/poll/", query)
    assert answer.status_code == 200, answer.content
    document: dict[str, Any] = answer.json()
    return document


def test_a_poll_tells_of_what_is_in_reach_and_what_has_left_it(limited: Client) -> None:
    web, db = make_service("web", group="a"), make_service("db", group="b")
    since = Event.objects.latest("id").pk
    db.name = "Secret"
    db.save()
    web.name = "Shop"
    web.save()
    web.group, web.name = "b", "Secret"
    web.save()
    answer = poll(limited, topics="service", last_event_id=since)
    assert [event["data"] for event in answer["events"]] == [
        {"declared": True, "name": "Shop", "key": "web"},
        {"deleted": True, "key": "web"},
    ]
    assert "Secret" not in json.dumps(answer)


def test_a_poll_measures_what_is_in_sight_alone(limited: Client, alice: User) -> None:
    make_service("web", group="A")
    make_service("db", group="b")
    make_service("lone")
    write_tick("n1", {"web": [1.0, 2.0], "db": [3.0, 4.0], "lone": [5.0, 6.0], "gone": [7.0, 8.0]})
    write_tick("n2", {"db": [3.0, 4.0]})
    assert poll(limited, topics="service")["ticks"] == [
        {
            "node": "n1",
            "at": poll(limited, topics="service")["ticks"][0]["at"],
            "services": {"web": [1.0, 2.0]},
        }
    ]
    limit(alice, "a", sees_everything=True)
    assert len(poll(limited, topics="service")["ticks"]) == 2


def test_a_limited_poll_costs_three_queries_more_than_another(
    limited: Client, alice: User, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    services = [make_service(f"s{number}", group="ab"[number % 2]) for number in range(20)]
    since = Event.objects.order_by("id").first()
    assert since is not None
    with django_assert_max_num_queries(12):
        assert len(poll(limited, topics="service", last_event_id=since.pk)["events"]) == len(services) / 2 - 1
    assert Audience(group_label("a")).column() == since.labels
