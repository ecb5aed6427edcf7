"""Streams of people whose rights change, listened to: who is let in, what is heard, who is thrown out."""

import json
import random
import time
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode

from django.db import transaction

from medimgr.events.log import Fact, publish_all
from medimgr.events.models import Event
from medimgr.lib.scope import group_label
from tests.events.conftest import HEARTBEAT, Site
from tests.events.stream_client import StreamClient
from tests.factories import make_service
from tests.properties.audience import FREE, PLACES, TAIL, VIEW, Audience, Person

SLACK_SECONDS = 1.5
"""What a loaded machine may add to the heartbeat."""


TALKS_AT = "a"
"""Where the service is whose log people read."""


@dataclass(frozen=True)
class Told:
    """What is true of an event of ours: where its subject is, and where it was until now; empty: nowhere."""

    topic: str
    place: str
    left: str = ""

    def heard_with(self, places: frozenset[str] | None) -> str:
        """Return what somebody limited to ``places`` hears: ``all``, ``gone`` or nothing at all."""
        if places is None or self.topic in FREE or self.place in places:
            return "all"
        return "gone" if self.left in places else ""


@dataclass
class Ear:
    """One open stream, and what belongs to it."""

    stream: StreamClient
    person: Person
    session: str
    topics: set[str]
    log: bool
    last: int
    places: frozenset[str] | None
    """What its person was limited to when it was opened."""
    since: int = 0
    heard: list[str] = field(default_factory=list)
    """Keys of our events, in the order in which they came."""
    log_lines: list[str] = field(default_factory=list)

    @property
    def rights(self) -> set[str]:
        return {VIEW[topic] for topic in self.topics} | ({TAIL} if self.log else set())

    def hear(self, *until: str, timeout: float) -> str:
        """Note what comes, up to a message of this name or key; return that."""
        end = time.monotonic() + timeout
        while True:
            message = self.stream.next(timeout=max(0.01, end - time.monotonic()))
            key = ""
            if message.name == "log":
                assert self.log, f"{self.person} hears a log unasked"
                self.log_lines.extend(message.data["lines"])
                key = self.log_lines[-1] if self.log_lines else ""
            elif message.name in VIEW:
                assert message.name in self.topics, f"{self.person} hears {message}"
                self.last = int(message.id)
                key = message.data["key"]
                if key.startswith("round "):
                    self.heard.append(f"{key} {_hearing(message.data)}")
            elif message.name == "tick":
                assert self.places is None or TALKS_AT in self.places, f"{self.person} hears {message}"
                assert "service" in self.topics
            if message.name in until or key in until:
                return str(message.data.get("reason", ""))


def _hearing(data: dict[str, Any]) -> str:
    return "gone" if data.get("deleted") else "all"


class Listening:
    """A site with an audience."""

    def __init__(self, site: Site, seed: str) -> None:
        self.site = site
        self.dice = random.Random(seed)
        self.ears: list[Ear] = []
        self.streams: list[StreamClient] = []
        self.slowest_end = 0.0
        self.rounds = self.hidden = self.gone = 0
        self.told: dict[str, Told] = {}
        self.ended = self.refused = self.opened = self.polled = 0
        self.log = site.instance.data_dir / "logs" / "talker.log"
        self.log.parent.mkdir(exist_ok=True)
        self.log.touch()
        with site.instance.database():
            make_service("talker", group=TALKS_AT)
            self.audience = Audience(self.dice, ("ada", "ben", "cleo", "dan", "eve"))

    def play_rounds(self, count: int) -> None:
        """Play so many rounds; fails with the first one in which something is not as it should be."""
        for _ in range(count):
            self.play(self.rounds)
            self.rounds += 1

    def play(self, number: int) -> None:
        """Change, see who is thrown out, publish, see who hears what, let others come and go."""
        changes = self.change()
        try:
            self.throw_out()
            self.publish(f"round {number}")
            self.poll()
            for _ in range(4):
                self.arrive(self.dice.choice(self.audience.people))
            self.leave()
        except AssertionError as error:
            error.add_note(f"Round {number}, after: {'; '.join(changes)}")
            raise

    def change(self) -> list[str]:
        # In one transaction: what was there for an instant only may be noticed or not.
        with self.site.instance.database(), transaction.atomic():
            return [self.audience.change_something() for _ in range(self.dice.randint(1, 3))]

    def throw_out(self) -> None:
        changed_at = time.monotonic()
        for ear in self.ears[:]:
            entitled = self.audience.may_listen(ear.person, ear.session, ear.rights)
            if entitled and ear.person.places == ear.places:
                continue
            reason = ear.hear("bye", timeout=HEARTBEAT + SLACK_SECONDS)
            self.slowest_end = max(self.slowest_end, time.monotonic() - changed_at)
            assert reason == "session-ended"
            assert ear.stream.until_end() == []
            self.ears.remove(ear)
            self.ended += 1
            ear.stream.close()
            self.arrive(ear.person, ear)  # and does not come in again, or with other limits

    def publish(self, mark: str) -> None:
        facts = [self.fact(topic, f"{mark} {topic}") for topic in VIEW]
        self.dice.shuffle(facts)
        self.site.tick("n", {"talker": [float(self.rounds), self.dice.random()]})
        with self.site.instance.database():
            with transaction.atomic():
                publish_all(facts)
            ours = Event.objects.filter(key__startswith="round ").order_by("id")
            published = list(ours.values_list("id", "topic", "key"))
        with self.log.open("a") as file:
            file.write(f"{mark} log\n")
        for ear in self.ears:
            mine = [key for number, topic, key in published if topic in ear.topics and number > ear.since]
            heard = [(key, self.told[key].heard_with(ear.places)) for key in mine]
            wanted = [f"{key} {how}" for key, how in heard if how]
            if wanted and wanted[-1] not in ear.heard:
                ear.hear(wanted[-1].rpartition(" ")[0], timeout=5)
            self.hidden += len(mine) - len(wanted)
            self.gone += sum(how == "gone" for _, how in heard)
            if ear.log and f"{mark} log" not in ear.log_lines:
                ear.hear(f"{mark} log", timeout=5)
            assert ear.heard == wanted

    def fact(self, topic: str, key: str) -> Fact:
        """Make an event about something that is somewhere, and may have come from somewhere else."""
        places = ("", *PLACES)
        told = Told(topic, self.dice.choice(places), self.dice.choice(places) if topic not in FREE else "")
        if told.left == told.place:
            told = Told(topic, told.place)
        self.told[key] = told
        left = group_label(told.left) if told.left else frozenset()
        secret = {"secret": f"at {told.place}"}
        return Fact(topic, key, secret, group_label(told.place), left)

    def arrive(self, person: Person, before: Ear | None = None) -> None:
        """Ask for a stream; with ``before``, for the same one again, from its last event."""
        query: dict[str, Any] = {}
        session = before.session if before else self.dice.choice([*person.sessions * 3, "no-such-session"])
        topics = before.topics if before else self.some_topics(person)
        log = before.log if before else self.dice.random() < 0.3
        if before or self.dice.random() < 0.8:
            query["topics"] = ",".join(topics)
        else:
            topics = {topic for topic in VIEW if self.audience.may(person, VIEW[topic])}
        if log:
            query["log"] = "talker"
        if before or self.dice.random() < 0.5:
            query["last_event_id"] = str(before.last if before else 0)
        stream = StreamClient(self.site.ports[0], session, None, **query)
        self.streams.append(stream)
        ear = Ear(stream, person, session, topics, log, before.last if before else 0, person.places)
        self.answered(ear, stream.answer()[0])

    def some_topics(self, person: Person) -> set[str]:
        visible = [topic for topic, right in VIEW.items() if self.audience.may(person, right)]
        among = visible if self.dice.random() < 0.7 else sorted(VIEW)
        return set(self.dice.sample(among, self.dice.randint(0, min(3, len(among)))))

    def answered(self, ear: Ear, status: int) -> None:
        if not self.audience.may_listen(ear.person, ear.session, ear.rights):
            assert status in (401, 403), (status, ear)
            self.refused += 1
            ear.stream.close()
            return
        if ear.log and ear.places is not None and TALKS_AT not in ear.places:
            assert status == 404, (status, ear)
            self.refused += 1
            ear.stream.close()
            return
        assert status == 200, (status, ear)
        hello = ear.stream.next("hello").data
        assert set(hello["topics"]) == ear.topics
        ear.last = ear.since = hello["last_event_id"]
        self.ears.append(ear)
        self.opened += 1

    def poll(self) -> None:
        """Ask for the same by polling: the same doors, and the same events."""
        with self.site.instance.database():
            newest = Event.objects.latest("id").pk
        for person in self.audience.people:
            session = self.dice.choice([*person.sessions * 3, "no-such-session"])
            topics = self.some_topics(person)
            status, answer = self.asked(session, ",".join(topics), newest - len(VIEW))
            if not self.audience.may_listen(person, session, {VIEW[topic] for topic in topics}):
                assert status in (401, 403), (status, person, topics)
                continue
            assert status == 200, (status, person, topics)
            self.polled += 1
            assert {event["topic"] for event in answer["events"]} <= topics
            measured = person.places is None or TALKS_AT in person.places
            assert bool(answer["ticks"]) <= ("service" in topics and measured)
            for event in answer["events"]:
                if event["data"]["key"] in self.told:
                    how = self.told[event["data"]["key"]].heard_with(person.places)
                    assert how == _hearing(event["data"]), (person, event)
                    assert how == "all" or "secret" not in event["data"]

    def asked(self, session: str, topics: str, since: int) -> tuple[int, dict[str, list[dict[str, Any]]]]:
        asker = HTTPConnection("127.0.0.1", self.site.ports[0], timeout=10)
        query = urlencode({"topics": topics, "last_event_id": since})
        asker.request("GET", f"/events/poll/?{query}", headers={"Cookie": f"sessionid={session}"})
        answer = asker.getresponse()
        document = json.loads(answer.read())
        asker.close()
        return answer.status, document

    def leave(self) -> None:
        while len(self.ears) > 12:
            self.ears.pop(self.dice.randrange(len(self.ears))).stream.close()
