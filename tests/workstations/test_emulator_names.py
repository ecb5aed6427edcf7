"""How emulators may be called: what is refused, and that whatever is not comes through whole."""

import re
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workstations.peer import Instance as Simulated
from tests.workstations.peer import command_line
from workstations.ldplayer.list2 import parse
from workstations.ldplayer.names import kept_title, title_fault
from workstations.ldplayer.values import Resolution, memory_fault, processors_fault, resolution_fault
from workstations.winrm.decoding import decoded
from workstations.winrm.quoting import quoted

GBK = st.characters(codec="gbk", exclude_categories=["Cc"])


@pytest.mark.parametrize(
    "title", ["Farm 1", "雷电模拟器", "a", "x" * 60, "Farm-1 (old) & new | <x>", "50% of 2", "7a", "a\\", "é"]
)
def test_good_names_are_taken(title: str) -> None:
    assert title_fault(title) == ""


@pytest.mark.parametrize(
    ("title", "told"),
    [
        ("", "Give a name"),
        ("   ", "Give a name"),
        (" a", "begin or end with a space"),
        ("a ", "begin or end with a space"),
        ("x" * 61, "60 characters; this one has 61"),
        ("-a", "hyphen"),
        ("12", "all digits"),
        ("１２", "all digits"),
        ("a,b", "a comma"),
        ('a"b', "a double quote"),
        ("a'b", "an apostrophe"),
        ("a\tb", "U\\+0009"),
        ("a\nb", "U\\+000A"),
        ("a\u200bb", "U\\+200B"),
        ("a\u202eb", "U\\+202E"),
        ("%PATH%", "%PATH%"),
        ("Điện", "GBK"),
        ("🎮", "GBK"),
        ("木木", "read as 'ľľ'"),
    ],
)
def test_others_are_refused_in_one_sentence_that_says_why(title: str, told: str) -> None:
    fault = title_fault(title)
    assert re.search(told, fault), fault
    assert fault.endswith(".")


@given(st.text(GBK, max_size=62))
def test_whatever_is_taken_survives_the_command_line_and_the_list(title: str) -> None:
    if title_fault(title):
        return
    assert command_line.split(f"ldconsole.exe rename --title {quoted(title)}")[-1] == title
    assert command_line.split(subprocess.list2cmdline(["ldconsole.exe", title]))[-1] == title
    raw = f"{Simulated(title, 3).line(10)}\r\n".encode("gbk")
    (read,) = parse(decoded(raw, "").text)
    assert (read.index, read.title, kept_title(read.title)) == (3, title, title)


def test_titles_of_others_are_kept_as_far_as_a_database_can() -> None:
    assert kept_title("a\x00b\ud800") == "a\ufffdb\ufffd"
    assert len(kept_title("x" * 500)) == 200


def test_values_are_those_that_ldconsole_takes() -> None:
    assert processors_fault(4) == memory_fault(2048) == resolution_fault(Resolution(960, 540, 160)) == ""
    assert processors_fault(5) == "An emulator has 1, 2, 3 or 4 processors, not 5."
    assert "8192 MB of memory, not 3000" in memory_fault(3000)
    assert "width" in resolution_fault(Resolution(0, 540, 160))
    assert "height" in resolution_fault(Resolution(960, 99_999, 160))
    assert "dots per inch" in resolution_fault(Resolution(960, 540, 0))
    assert str(Resolution(960, 540, 160)) == "960,540,160"
