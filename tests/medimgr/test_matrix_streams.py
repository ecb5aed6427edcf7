"""Every role at the doors of the streams: the stream itself, what rides on it, the poll, and the beacon.

The people and the rows are those of ``test_matrix``; what a real worker then sends is in
``tests/events/test_scope_on_the_wire.py`` and ``test_bearer_on_the_wire.py``.
"""

import json
from typing import Any

import pytest
from django.conf import settings
from django.db import transaction
from django.test import Client

from medimgr.accounts.bearer import bearer_token
from medimgr.events import sources
from medimgr.events.admission import Applicant, admit_all
from medimgr.events.connections import Arrival, take_places
from medimgr.events.log import Fact, last_event_id, publish_all, write_tick
from medimgr.events.models import Connection, new_token
from medimgr.events.opening import Opening
from medimgr.events.subscription import Subscription
from medimgr.events.terms import Terms
from medimgr.events.topics import known
from medimgr.lib.problems import Problem
from medimgr.lib.roles import Role
from monitoring.models import Service
from operations import batches, transitions
from operations.models import Batch, Operation
from tests.medimgr.doors_world import FAR, NEAR, PEOPLE, Person, World, rolled_back
from workstations.models import Emulator, Workstation

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

TOPICS: dict[str, tuple[Role, bool]] = {
    "service": (Role.VIEWER, True),
    "operation": (Role.VIEWER, True),
    "batch": (Role.VIEWER, True),
    "workstation": (Role.VIEWER, True),
    "emulator": (Role.VIEWER, True),
    "node": (Role.VIEWER, False),
    "connection": (Role.VIEWER, False),
}
"""The least role that may follow each topic, and whether a limit hides a part of it."""
SOURCES: dict[str, tuple[Role, str, str, bool]] = {
    "log": (Role.VIEWER, "service", "unknown-service", False),
    "operation_log": (Role.VIEWER, "operation", "operation-gone", True),
}
"""The least role, what it is a log of, what is said of one that there is not, and whether it merely looks."""


def let_in(person: Person, least: Role) -> bool:
    return person.rank >= list(Role).index(least)


def refusal(person: Person) -> str:
    return "not-permitted" if person.logged_in else "not-logged-in"


def apply(
    client: Client, topics: str | None, since: int | None = None, parameters: dict[str, str] | None = None
) -> Opening | Problem:
    """Ask for a stream as ``client`` would, and leave no row of it."""
    cookie = client.cookies.get(settings.SESSION_COOKIE_NAME)
    wanted = None if topics is None else frozenset(topics.split(",")) - {""}
    stream = Subscription(
        token=new_token(), topics=wanted or known(), max_age=60, on_end=lambda _stream, _reason: None
    )
    applicant = Applicant(
        stream,
        cookie.value if cookie else "",
        "192.0.2.1",
        Terms(wanted, since, ""),
        parameters or {},
        bearer_token(client.defaults.get("HTTP_AUTHORIZATION", "")),
    )
    found = rolled_back(lambda: admit_all([applicant])[0])
    assert isinstance(found, Opening | Problem)
    return found


def code_of(found: Opening | Problem) -> str:
    return found.code if isinstance(found, Problem) else "in"


def poll(client: Client, **query: Any) -> Any:
    return rolled_back(lambda: client.get("/events/poll/", query))


@transaction.atomic
def tell_of_everything(world: World) -> None:
    """Publish an event on each topic about what is near and about what is far, as their own code does."""
    for name in (NEAR, FAR):
        names = world.rows["near" if name == NEAR else "far"]
        Service.objects.get(key=names["service"]).save()
        workstation = Workstation.objects.get(pk=names["workstation"])
        workstation.save()
        emulator = Emulator.objects.get(pk=names["emulator"])
        publish_all(
            [
                transitions.fact(Operation.objects.get(pk=names["operation"])),
                batches.fact(Batch.objects.get(pk=names["batch"])),
                Fact("emulator", str(emulator.pk), emulator.public(), workstation.scope_labels()),
                Fact("node", "n", {"of": name}),
                Fact("connection", "1", {"of": name}),
            ]
        )
    write_tick("n", {world.rows[side]["service"]: [1.0, 2.0] for side in ("near", "far")})


def test_each_topic_is_for_whom_it_is_meant_at_the_stream_and_at_the_poll() -> None:
    world = World()
    for person in PEOPLE:
        client = world.client(person)
        for topic, (least, _) in TOPICS.items():
            expected = "in" if let_in(person, least) else refusal(person)
            assert code_of(apply(client, topic)) == expected, f"{person.name}, stream of {topic}"
            answer = poll(client, topics=topic)
            told = "in" if answer.status_code == 200 else answer.json()["code"]
            assert told == expected, f"{person.name}, poll of {topic}"


def test_who_names_no_topic_gets_those_that_are_meant_for_him() -> None:
    world = World()
    for person in PEOPLE:
        found = apply(world.client(person), None)
        mine = {topic for topic, (least, _) in TOPICS.items() if let_in(person, least)}
        if person.staff and person.logged_in:
            assert isinstance(found, Opening), f"{person.name}: {found}"
            assert found.topics == mine, person.name
        else:
            assert code_of(found) == refusal(person), person.name


@pytest.mark.parametrize("topic", TOPICS)
def test_what_was_missed_is_told_as_far_as_the_limit_goes(topic: str) -> None:
    world = World()
    since = last_event_id()
    tell_of_everything(world)
    least, hides = TOPICS[topic]
    for person in PEOPLE:
        if not let_in(person, least):
            continue
        client = world.client(person)
        found = apply(client, topic, since)
        assert isinstance(found, Opening), found
        streamed = b"".join(chunk for _, chunk in found.replay).decode()
        document = poll(client, topics=topic, last_event_id=since).json()
        polled = json.dumps([document["events"], document["ticks"]])
        sees_all = not hides or not person.limited or person.looks
        for text in (streamed, polled):
            assert NEAR in text or topic == "emulator", f"{person.name}: {text}"
            assert (FAR in text) == sees_all, f"{person.name}: {text}"
        if topic != "connection":  # of which his own is one
            assert len(found.replay) == len(document["events"]) == (2 if sees_all else 1), person.name


@pytest.mark.parametrize("source", SOURCES)
def test_what_rides_on_a_stream_is_judged_by_its_row(source: str) -> None:
    world = World()
    least, of, unknown, looks = SOURCES[source]
    for person in PEOPLE:
        client = world.client(person)
        near = apply(client, "", parameters={source: str(world.rows["near"][of])})
        far = apply(client, "", parameters={source: str(world.rows["far"][of])})
        nowhere = apply(client, "", parameters={source: "987654321"})
        if not let_in(person, least):
            assert {code_of(near), code_of(far), code_of(nowhere)} == {refusal(person)}, person.name
            continue
        assert (code_of(near), code_of(nowhere)) == ("in", unknown), person.name
        if not person.limited:
            assert code_of(far) == "in", person.name
        elif person.looks:
            assert code_of(far) == ("in" if looks else "out-of-reach"), person.name
        else:
            assert isinstance(far, Problem), person.name
            assert isinstance(nowhere, Problem), person.name
            same = far.detail.replace(str(world.rows["far"][of]), "987654321")
            assert (far.code, same) == (unknown, nowhere.detail), person.name


def test_a_beacon_ends_the_stream_whose_secret_it_knows_whoever_sends_it() -> None:
    world = World()
    owner = world.user(PEOPLE[3])
    for person in PEOPLE:
        client = world.client(person)
        secret, other = new_token(), new_token()
        take_places([Arrival(token, owner, "192.0.2.1", "/", ["service"]) for token in (secret, other)])
        rows = Connection.objects.values_list("token", flat=True)
        for guess in ("", other[:-1], str(Connection.objects.get(token=other).pk), "%"):
            assert client.post("/events/disconnect/", {"connection_id": guess}).status_code == 204
            assert {secret, other} <= set(rows.all()), f"{person.name} guessed {guess!r}"
        assert client.post("/events/disconnect/", {"connection_id": secret}).status_code == 204
        assert set(rows.all()) == {other}, person.name
        assert client.get("/events/disconnect/", {"connection_id": other}).status_code == 405
        Connection.objects.all().delete()


def test_no_topic_and_no_source_is_missing_from_the_matrix() -> None:
    assert set(TOPICS) == known()
    assert set(SOURCES) == set(sources._openers)
