"""Arguments arrive at a Windows program as they were meant, or are refused before anything is sent."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workstations.peer import command_line as windows
from workstations.exceptions import ArgumentRefused
from workstations.winrm.quoting import LONGEST_COMMAND_LINE, command_line, quoted

PROGRAM = r"C:\Program Files\LDPlayer\ldconsole.exe"
TRICKY = st.text(st.sampled_from('\\\\\\""\' ab&|<>^%!()=,;*?\u96f7\U0001f600'), max_size=12)


@given(st.lists(TRICKY | st.text(max_size=20), max_size=6))
def test_whatever_is_taken_arrives_as_it_was_meant(arguments: list[str]) -> None:
    try:
        name, words = command_line(PROGRAM, arguments)
    except ArgumentRefused:
        return
    assert windows.split(" ".join([name, *words])) == [PROGRAM, *arguments]


@given(TRICKY)
def test_nothing_that_is_taken_means_something_to_cmd(argument: str) -> None:
    try:
        word = quoted(argument)
    except ArgumentRefused:
        return
    # cmd.exe knows no backslash: each quotation mark turns its quoting on or off.
    outside = "".join(word.split('"')[::2])
    assert not re.search(r"[&|<>^]", outside)
    assert not re.search(r"%[^%]+%", word)


@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_categories=["C"], exclude_characters='"%')), max_size=4
    )
)
def test_what_people_write_is_taken(arguments: list[str]) -> None:
    _, words = command_line(PROGRAM, arguments)
    assert len(words) == len(arguments)


@pytest.mark.parametrize(
    ("argument", "why"),
    [
        ("a\nb", "control character"),
        ("a\x00b", "control character"),
        ("a\x85b", "control character"),
        ("half \ud83d of a pair", "control character"),
        ("100%PATH%", "variable"),
        ('say "a" & go', "quotation mark"),
    ],
)
def test_what_might_arrive_as_something_else_is_refused(argument: str, why: str) -> None:
    with pytest.raises(ArgumentRefused, match=why):
        quoted(argument)


def test_a_percent_sign_alone_is_a_percent_sign() -> None:
    assert quoted("100%") == '"100%"'


def test_a_line_that_is_too_long_is_refused_with_its_length() -> None:
    command_line("x.exe", ["a" * (LONGEST_COMMAND_LINE - len("x.exe "))])
    with pytest.raises(ArgumentRefused, match=f"{LONGEST_COMMAND_LINE + 1} characters long"):
        command_line("x.exe", ["a" * (LONGEST_COMMAND_LINE - len("x.exe ") + 1)])


def test_a_program_is_a_path() -> None:
    for program in ("", 'C:\\"x".exe'):
        with pytest.raises(ArgumentRefused, match="no path"):
            command_line(program, [])
