"""What a stream says is what its client reads, whatever the words are."""

import re
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from medimgr.events import frames
from tests.events.sse import SseParser

WORDS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\r\n\0"), min_size=1)
ANY_TEXT = st.text(st.characters(blacklist_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(name=WORDS, text=ANY_TEXT, event_id=st.integers(min_value=0) | WORDS)
@example(name="log", text="one\r\ntwo\rthree\nfour\n", event_id=7)
@example(name=" leading", text=" leading", event_id=" leading")
def test_an_event_reads_back_as_it_was_written(name: str, text: str, event_id: int | str) -> None:
    (message,) = SseParser().feed(frames.frame(name, text, event_id=event_id))
    assert message.name == name
    assert message.text == re.sub("\r\n|\r", "\n", text)
    assert message.id == str(event_id)


@given(parts=st.lists(st.tuples(st.text(), st.text(), st.text()), max_size=5), cut=st.integers(1, 7))
@example(parts=[("a\nevent: evil", "b\n\ndata: evil", "1\ndata: evil\n\n")], cut=1)
def test_nothing_that_is_written_can_break_the_framing(parts: list[tuple[str, str, str]], cut: int) -> None:
    stream = b"".join(frames.frame(name, text, event_id=event_id) for name, text, event_id in parts)
    parser = SseParser()
    read = [m for start in range(0, len(stream), cut) for m in parser.feed(stream[start : start + cut])]
    assert len(read) == len(parts)


@given(data=st.dictionaries(st.text(), JSON, max_size=4))
def test_an_event_carries_its_data_and_its_key(data: dict[str, Any]) -> None:
    (message,) = SseParser().feed(frames.event(5, "service", "backend", data))
    assert message.data == {**data, "key": "backend"}
    assert (message.name, message.id) == ("service", "5")


def test_messages_without_an_id_leave_the_clients_last_id_alone() -> None:
    parser = SseParser()
    parser.feed(frames.event(5, "service", "backend", {}))
    for chunk in (
        frames.tick("n", "2026-01-01T00:00:00Z", {"backend": [1.5, 20.0]}),
        frames.heartbeat(server_time="2026-01-01T00:00:00Z", database_away=True),
        frames.reset(9),
        frames.log({"service": "backend", "offset": 3, "lines": ["a"]}),
        frames.bye("shutdown", 1200),
    ):
        (message,) = parser.feed(chunk)
        assert message.id == "5", message


def test_a_bye_makes_the_browsers_own_reconnect_wait() -> None:
    parser = SseParser()
    (message,) = parser.feed(frames.bye("lagging", 3456))
    assert message.data == {"reason": "lagging", "retry_ms": 3456}
    assert parser.retry_ms == 3456


def test_a_heartbeat_says_whether_the_database_is_there() -> None:
    for away, word in ((True, "away"), (False, "ok")):
        (message,) = SseParser().feed(frames.heartbeat(server_time="now", database_away=away))
        assert message.data == {"server_time": "now", "database": word}
