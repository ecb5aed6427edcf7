"""A record of the log is one record, whatever it holds: as JSON, and on a console."""

import json
import logging
import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medimgr.lib import log_context
from medimgr.lib.log_lines import CONTINUED, FIELDS, ConsoleLine, JsonLine, process_kind

TEXT = st.text(st.characters(), max_size=60)
"""Surrogates, NUL and newlines included."""
BEGINNING = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (INFO|ERROR) some\.where")


def record(message: str = "said", level: int = logging.INFO, **fields: Any) -> logging.LogRecord:
    values = {"name": "some.where", "levelno": level, "levelname": logging.getLevelName(level)}
    return logging.makeLogRecord({"msg": message, "args": None, **values, **fields})


@pytest.fixture(autouse=True)
def nothing_at_work() -> Iterator[None]:
    """Begin without what an earlier test's request has left in this thread."""
    names = (log_context.request_id, log_context.user_name, log_context.token_name)
    tokens = [(name, name.set("")) for name in names]
    yield
    for name, token in tokens:
        name.reset(token)


def as_json(made: logging.LogRecord) -> dict[str, Any]:
    line = JsonLine().format(made)
    assert line.isascii()
    assert line.isprintable(), "one line, and no control character in it"
    read: dict[str, Any] = json.loads(line)
    return read


@given(TEXT, TEXT)
def test_json_is_one_object_on_one_line_whatever_it_holds(message: str, detail: str) -> None:
    read = as_json(record(message, exc_text=detail, extra_field=detail))
    assert list(read)[: len(FIELDS)] == list(FIELDS)
    for said, told in ((message, read["message"]), (detail, read["extra_field"])):
        assert told == re.sub("[\ud800-\udfff]", "\ufffd", said)
        told.encode()  # no half of a surrogate pair is left
    assert read.get("exception", "") == re.sub("[\ud800-\udfff]", "\ufffd", detail)


@given(TEXT, TEXT, TEXT)
def test_a_console_line_cannot_be_forged(message: str, trace: str, user: str) -> None:
    line = ConsoleLine().format(record(message, exc_text=trace, user=user))
    first, *rest = line.split("\n")
    assert BEGINNING.match(first)
    assert all(one.startswith(CONTINUED) for one in rest)
    for one in (first, *rest):
        assert one.isprintable() or not re.search("[\x00-\x1f\x7f-\x9f\u2028-\u202e\ud800-\udfff]", one)


def test_what_a_message_says_cannot_pass_for_the_context() -> None:
    line = ConsoleLine().format(record("done [user=root]", user="bob"))
    assert "some.where [user=bob]: done [user=root]" in line


def test_a_traceback_is_one_field_of_json_and_marked_lines_on_a_console() -> None:
    try:
        raise ValueError("no\n2026-01-01T00:00:00.000Z INFO medimgr.access: a forged line")
    except ValueError:
        made = record("it failed", logging.ERROR, exc_info=sys.exc_info())
    exception = as_json(made)["exception"]
    assert exception.startswith("Traceback (most recent call last):\n")
    assert "ValueError: no\n2026-01-01" in exception
    printed = ConsoleLine().format(made).split("\n")
    assert printed[0].endswith("ERROR some.where: it failed")
    assert printed[-1] == f"{CONTINUED}2026-01-01T00:00:00.000Z INFO medimgr.access: a forged line"


def test_the_context_is_in_every_line() -> None:
    with log_context.working_on(17, requested_as="abc", asked_by="alice"):
        read = as_json(record())
        printed = ConsoleLine().format(record())
    after = as_json(record())
    assert (read["request_id"], read["user"], read["operation_id"]) == ("abc", "alice", 17)
    assert "[request_id=abc user=alice operation_id=17]: said" in printed
    assert (after["request_id"], after["operation_id"], after["token"]) == (None, None, None)


def test_times_are_utc() -> None:
    made = record()
    made.created = 1_700_000_000.25
    assert as_json(made)["time"] == "2023-11-14T22:13:20.250Z"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_json_does_not_know_is_text(value: float) -> None:
    assert as_json(record(took=value))["took"] == str(value)


def test_objects_are_left_out_since_nobody_knows_what_they_hold() -> None:
    assert "request" not in as_json(record(request=object()))


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (["manage.py", "supervise", "--node", "x"], "supervise"),
        (["/srv/medimgr/medimgr/web_worker.py", "--fd", "9"], "web_worker"),
        (["manage.py", "--version"], "manage"),
        (["/lib/daphne/__main__.py", "-p", "1"], "daphne"),
        (["/lib/django/__main__.py", "check"], "check"),
        ([""], "python"),
        ([], "python"),
    ],
)
def test_a_process_is_called_by_what_it_does(arguments: list[str], kind: str) -> None:
    assert process_kind(arguments) == kind
