"""Streams that are limited get what is theirs, all of it and in order; the others are as they were."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from medimgr.events import frames
from medimgr.events.audience import GONE, Audience
from medimgr.events.encoding import Gzip
from medimgr.events.fanout import Fanout
from medimgr.events.sight import Look, Sight
from medimgr.events.tail import Measured, Row
from medimgr.lib.scope import EVERYTHING, NOTHING, Scope, group_label
from tests.events.limits import reaching
from tests.events.sse import Message
from tests.events.test_fanout import Client, Scene

SCOPES = (reaching("a"), reaching("b"), reaching("a", "b"), reaching("a", sees_everything=True), NOTHING)


class Limited(Scene):
    """A fan-out with clients that are limited."""

    def __init__(self) -> None:
        super().__init__()
        self.sight = Sight()
        self.fanout = Fanout(self.fanout._framed, self.tally, self.sight)

    def limited(self, scope: Scope, *topics: str) -> Client:
        client = Client(self.fanout, topics or ["service"], Gzip(), self.tally)
        client.open(0, scope)
        return client


def moved(number: int, key: str, into: str, out_of: str = "", topic: str = "service") -> Row:
    """Return an event about something that is in one group, and may have been in another until now."""
    data: dict[str, Any] = {"secret": f"of {into}"}
    audience = Audience(group_label(into), group_label(out_of) if out_of else frozenset())
    return Row(number, topic, key, data, frames.event(number, topic, key, data), None, audience)  # type: ignore[arg-type]


def events(client: Client) -> list[Message]:
    return [message for message in client.messages() if message.name not in ("hello", "bye", "tick")]


@given(
    happened=st.lists(st.tuples(st.sampled_from("kl"), st.sampled_from("abc"), st.sampled_from("abc"))),
    at_once=st.integers(1, 4),
)
def test_each_hears_what_is_in_its_reach_and_of_what_leaves_it_that_it_is_gone(
    happened: list[tuple[str, str, str]], at_once: int
) -> None:
    scene = Limited()
    clients = {scope: scene.limited(scope) for scope in SCOPES}
    free = [scene.client(), scene.client()]
    rows = [moved(number, *one) for number, one in enumerate(happened, start=1)]
    for start in range(0, len(rows), at_once):
        scene.fanout.send_events(rows[start : start + at_once])
    for scope, client in clients.items():
        expected: list[tuple[str, dict[str, Any]]] = []
        for number, (key, into, out_of) in enumerate(happened, start=1):
            if scope.shows(group_label(into)):
                expected.append((str(number), {"secret": f"of {into}", "key": key}))
            elif scope.reaches(group_label(out_of)):
                expected.append((str(number), {**GONE, "key": key}))
        assert [(message.id, message.data) for message in events(client)] == expected
        assert client.stream.events_sent == len(expected)
    for client in free:
        assert client.ids() == list(range(1, len(rows) + 1))


async def test_who_are_limited_alike_share_what_is_made_for_them_and_with_nobody_else() -> None:
    scene = Limited()
    alike = [scene.limited(reaching("a")) for _ in range(3)]
    other, looks = scene.limited(reaching("b")), scene.limited(reaching("a", sees_everything=True))
    free = [scene.limited(NOTHING), scene.limited(EVERYTHING)]
    scene.fanout.send_events([moved(1, "web", "a"), moved(2, "db", "b"), moved(3, "web", "a")])
    assert [client.sends for client in alike] == [1, 1, 1]
    sets = {frozenset(cohort) for cohort in scene.fanout._cohorts.values()}
    assert sets == {
        frozenset(client.stream for client in together)
        for together in (alike, [other], [looks, free[1]], [free[0]])
    }
    assert [message.id for message in events(alike[2])] == ["1", "3"]
    assert [message.id for message in events(other)] == ["2"]
    assert events(free[0]) == []


async def test_a_topic_without_labels_is_everybodys_who_follows_it() -> None:
    scene = Limited()
    client = scene.limited(NOTHING, "node", "service")
    node = Row(1, "node", "n", {}, frames.event(1, "node", "n", {}), None)  # type: ignore[arg-type]
    scene.fanout.send_events([node, moved(2, "web", "a")])
    assert [message.name for message in events(client)] == ["node"]


async def test_what_happened_while_it_was_admitted_is_told_by_its_scope_too() -> None:
    scene = Limited()
    client = Client(scene.fanout, ["service"], Gzip(), scene.tally)
    scene.fanout.send_events([moved(1, "web", "a"), moved(2, "db", "b"), moved(3, "queue", "b", "a")])
    client.open(0, reaching("a"))
    assert [message.data for message in events(client)] == [
        {"secret": "of a", "key": "web"},
        {**GONE, "key": "queue"},
    ]


async def test_measurements_are_of_services_in_sight_and_a_tick_without_any_is_not_sent() -> None:
    scene = Limited()
    mine, same, other = (
        scene.limited(reaching("a")),
        scene.limited(reaching("a")),
        scene.limited(reaching("c")),
    )
    free = scene.client()
    scene.sight.take(Look(0, {"web": group_label("a"), "db": group_label("b")}))
    values = {"web": [1.0, 2.0], "db": [3.0, 4.0]}
    assert scene.fanout.send_tick(Measured("n", "now", values), values) == 3
    scene.sight.hear([moved(1, "db", "a", "b"), moved(2, "web", "b", "a")])
    scene.fanout.send_tick(Measured("n", "now", values), values)
    for client in (mine, same):
        ticks = [message.data["services"] for message in client.messages() if message.name == "tick"]
        assert ticks == [{"web": [1.0, 2.0]}, {"db": [3.0, 4.0]}]
    assert not [message for message in other.messages() if message.name == "tick"]
    assert [message.data["services"] for message in free.messages() if message.name == "tick"] == [values] * 2


async def test_a_limited_client_that_reads_slowly_loses_nothing_and_gets_nothing_of_others() -> None:
    scene = Limited()
    client = scene.limited(reaching("a"))
    client.room = 0
    for number in range(1, 60):
        scene.fanout.send_events([moved(number, "web", "ab"[number % 2])])
    client.read(None)
    assert [int(message.id) for message in events(client)] == list(range(2, 60, 2))


def test_streams_without_a_scope_cost_as_many_calls_as_they_did() -> None:
    """Counted: a limited stream beside them adds no write of theirs."""
    scene = Limited()
    free = [scene.client() for _ in range(20)]
    scene.limited(reaching("a"))
    for number in range(1, 11):
        scene.fanout.send_events([moved(number, "web", "a")])
    assert [client.sends for client in free] == [10] * 20
