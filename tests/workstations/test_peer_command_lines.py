"""The peer takes command lines apart as Windows does."""

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workstations.peer import command_line

LDCONSOLE = r"C:\LDPlayer\LDPlayer9\ldconsole.exe"
ARGUMENTS = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")))


@given(ARGUMENTS)
def test_what_is_quoted_by_the_rules_comes_out_as_it_went_in(arguments: list[str]) -> None:
    line = subprocess.list2cmdline([LDCONSOLE, *arguments])
    assert command_line.split(line) == [LDCONSOLE, *arguments]


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        ("x.exe", ["x.exe"]),
        ("x.exe  a   b ", ["x.exe", "a", "b"]),
        (r'"C:\a b\x.exe" "c d" e', [r"C:\a b\x.exe", "c d", "e"]),
        (r"C:\a b\x.exe c", [r"C:\a", r"b\x.exe", "c"]),
        (r'x "a\\" b', ["x", "a\\", "b"]),
        (r"x a\\\"b c", ["x", 'a\\"b', "c"]),
        (r"x a\\b", ["x", r"a\\b"]),
        ('x "a""b" c', ["x", 'a"b', "c"]),
        ('x "" c', ["x", "", "c"]),
        ('x "a b', ["x", "a b"]),
        ('"x', ["x"]),
    ],
)
def test_examples_of_the_documented_rules(line: str, arguments: list[str]) -> None:
    assert command_line.split(line) == arguments


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (f"{LDCONSOLE} list2", LDCONSOLE),
        (f'"{LDCONSOLE}" list2', LDCONSOLE),
        ("c:/ldplayer/ldplayer9/LDCONSOLE.EXE list2", LDCONSOLE),
        (r"C:\LDPlayer\LDPlayer9\ldconsole list2", LDCONSOLE),
        ("ldconsole.exe list2", LDCONSOLE),
        (r"C:\Program Files\LD\ldconsole.exe list2", r"C:\Program Files\LD\ldconsole.exe"),
        (r"C:\Elsewhere\ldconsole.exe list2", None),
        (f'"{LDCONSOLE} list2"', None),
        ("", None),
    ],
)
def test_a_program_is_found_as_windows_finds_it(line: str, found: str | None) -> None:
    assert command_line.program(line, [LDCONSOLE, r"C:\Program Files\LD\ldconsole.exe"]) == found
