"""The line of every key of a TOML text is known, however it is written."""

from hypothesis import given
from hypothesis import strategies as st

from medimgr.lib.toml_lines import Lines

TEXT = '''\
# services.commented = 1
title = "x" # [services.not]
[services.web]   # the web
command = [
  "a", # name = "hidden"
  "]",
]
"quoted name" = 1
description = """
name = "inside"
\\""" still inside
"""
literal = \'\'\'
[services.fake]
\'\'\'
name = "real"
env = { PORT = "1", "B C" = { d = 2 } }
log.keep = 5

[ services . "other.one" ]
name = 'x'

[services.web.sub]
deep = [[1, 2], [{ a = 1 }]]
after = 1
'''


def test_keys_are_found_in_every_notation() -> None:
    lines = Lines(TEXT)
    expected = {
        ("title",): 2,
        ("services", "web"): 3,
        ("services", "web", "command"): 4,
        ("services", "web", "quoted name"): 8,
        ("services", "web", "description"): 9,
        ("services", "web", "literal"): 13,
        ("services", "web", "name"): 16,
        ("services", "web", "env", "PORT"): 17,
        ("services", "web", "env", "B C", "d"): 17,
        ("services", "web", "log", "keep"): 18,
        ("services", "other.one", "name"): 21,
        ("services", "web", "sub", "deep"): 24,
        ("services", "web", "sub", "after"): 25,
    }
    assert {path: lines.of(*path) for path in expected} == expected


def test_what_is_commented_or_inside_a_text_is_no_key() -> None:
    lines = Lines(TEXT)
    assert lines.of("services", "fake") == lines.of("services", "absent") == lines.of("services") == 3
    assert lines.of("nothing") == 0


def test_lines_are_counted_the_same_with_carriage_returns() -> None:
    assert Lines(TEXT.replace("\n", "\r\n")).of("services", "web", "sub", "after") == 25


@given(st.text(alphabet="[]{}=.,#\"'\\ \n\rab1"))
def test_any_text_is_scanned_to_its_end(text: str) -> None:
    Lines(text)
