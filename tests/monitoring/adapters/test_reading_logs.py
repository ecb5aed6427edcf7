"""A log is read as it grows: whole lines, nothing lost, nothing twice, whatever is in it."""

import json
import os
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medimgr.lib.plain_text import clean
from monitoring.supervisor.log_rotation import rotate
from monitoring.supervisor.logs import LogChunk, LogReader, open_log, tail
from tests.monitoring.adapters.unprivileged import as_nobody, shared_directory


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "it.log"


def append(path: Path, data: bytes) -> None:
    fd = open_log(path)
    os.write(fd, data)
    os.close(fd)


def grow_quiet(path: Path) -> None:
    """Make the last write one that was a while ago."""
    os.utime(path, (time.time() - 10, time.time() - 10))


def everything(reader: LogReader, chunk: LogChunk, limit: int = 65536) -> tuple[str, LogChunk]:
    """Return all that follows ``chunk``, and the last piece of it."""
    text = ""
    while True:
        following = reader.read(chunk.offset, chunk.inode, limit)
        if (following.offset, following.inode) == (chunk.offset, chunk.inode):
            return text, following
        text += following.text
        chunk = following


START = LogChunk("", 0, 0, 0, reset=False)


# --- opening -------------------------------------------------------------------------------------


def test_directory_and_file_are_made_for_the_supervisor_and_its_group(log: Path) -> None:
    before = os.umask(0o022)
    try:
        append(log, b"x")
    finally:
        os.umask(before)
    assert log.stat().st_mode & 0o777 == 0o640
    assert log.parent.stat().st_mode & 0o007 == 0


def test_two_writers_append_to_each_other(log: Path) -> None:
    first, second = open_log(log), open_log(log)
    for number in range(10):
        os.write(first if number % 2 else second, b"%d\n" % number)
    os.close(first)
    os.close(second)
    assert log.read_text().split() == [str(number) for number in range(10)]


def test_a_place_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        open_log(tmp_path / "file" / "it.log")


# --- following -----------------------------------------------------------------------------------


def test_a_missing_file_is_an_empty_piece(log: Path) -> None:
    assert LogReader(log).read(0) == LogChunk("", 0, 0, 0, reset=False)
    assert LogReader(log).read(5, 6) == LogChunk("", 5, 6, 5, reset=False)
    assert tail(log, 10) == LogChunk("", 0, 0, 0, reset=False)


def test_a_directory_or_a_pipe_in_its_place_is_one_too(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path, tmp_path / "pipe", tmp_path / "pipe" / "below", Path("/dev/full")):
        assert LogReader(place).read(0).text == ""
        assert tail(place, 5).text == ""


def test_it_goes_on_where_it_ended(log: Path) -> None:
    append(log, b"one\ntwo\n")
    reader = LogReader(log)
    first = reader.read(0)
    assert (first.text, first.offset, first.start, first.reset) == ("one\ntwo\n", 8, 0, False)
    append(log, b"three\n")
    second = reader.read(first.offset, first.inode)
    assert (second.text, second.offset, second.start, second.reset) == ("three\n", 14, 8, False)
    assert reader.read(second.offset, second.inode).text == ""


def test_half_a_line_waits_for_its_other_half(log: Path) -> None:
    append(log, b"whole\nha")
    reader = LogReader(log)
    first = reader.read(0)
    assert (first.text, first.offset) == ("whole\n", 6)
    append(log, b"lf\n")
    assert reader.read(first.offset, first.inode).text == "half\n"


def test_half_a_line_is_shown_once_nothing_follows(log: Path) -> None:
    """The last words of a service that has died."""
    append(log, b"whole\nlast words")
    grow_quiet(log)
    chunk = LogReader(log).read(0)
    assert (chunk.text, chunk.offset) == ("whole\nlast words", 16)


def test_a_line_longer_than_the_limit_comes_in_parts(log: Path) -> None:
    append(log, "ä".encode() * 500_000 + b"\nnext\n")
    text, _ = everything(LogReader(log), START, limit=65_535)
    assert text == "ä" * 500_000 + "\nnext\n"


def test_a_small_limit_still_gets_on(log: Path) -> None:
    append(log, "日本語のログ\n".encode() * 20)
    for limit in (-1, 0, 1, 7, 100):
        assert everything(LogReader(log), START, limit=limit)[0] == "日本語のログ\n" * 20


def test_a_character_is_never_cut(log: Path) -> None:
    append(log, b"a\n\xe2\x82")
    reader = LogReader(log)
    grow_quiet(log)
    first = reader.read(0)
    assert (first.text, first.offset) == ("a\n", 2)
    append(log, b"\xac\n")
    assert reader.read(first.offset, first.inode).text == "€\n"


def test_a_truncated_file_is_read_anew(log: Path) -> None:
    append(log, b"one\ntwo\n")
    reader = LogReader(log)
    first = reader.read(0)
    os.truncate(log, 0)
    append(log, b"new\n")
    second = reader.read(first.offset, first.inode)
    assert (second.text, second.start, second.reset) == ("new\n", 0, True)


def test_a_replaced_file_is_read_from_its_beginning(log: Path) -> None:
    append(log, b"one\n")
    reader = LogReader(log)
    first = reader.read(0)
    other = log.with_name("other")
    other.write_bytes(b"a longer file than the first\n")
    os.replace(other, log)
    second = reader.read(first.offset, first.inode)
    assert (second.text, second.reset) == ("a longer file than the first\n", True)


def test_a_deleted_file_is_waited_for(log: Path) -> None:
    append(log, b"one\n")
    reader = LogReader(log)
    first = reader.read(0)
    other = log.with_name("other")
    other.write_bytes(b"new\n")  # made before, so that it cannot get the same inode
    log.unlink()
    assert reader.read(first.offset, first.inode) == LogChunk("", 4, first.inode, 4, reset=False)
    os.replace(other, log)
    assert reader.read(first.offset, first.inode).text == "new\n"


def test_a_file_that_may_not_be_read_is_an_error() -> None:
    with shared_directory() as directory:
        log = directory / "it.log"
        append(log, b"one\n")
        log.chmod(0)
        assert as_nobody(lambda: LogReader(log).read(0)) == "PermissionError"
        assert as_nobody(lambda: tail(log, 1)) == "PermissionError"


def test_no_file_stays_open(log: Path) -> None:
    append(log, b"one\n")
    files = os.listdir("/proc/self/fd")
    append(log, b"x\n" * 10_000)
    chunk = LogReader(log).read(0)
    assert rotate(log, max_bytes=1, keep=3)
    LogReader(log).read(0, chunk.inode)
    LogReader(log).read(4, chunk.inode)
    tail(log, 3)
    assert os.listdir("/proc/self/fd") == files


# --- what is in it -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"a\0b\n", "ab\n"),
        (b"\x1b[31mred\x1b[0m\n", "red\n"),
        (b"\x1b]0;title\x07text\n", "text\n"),
        (b"\x1b]8;;http://x\x1b\\link\n", "link\n"),
        (b"windows\r\n", "windows\n"),
        (b"10%\r20%\r100%\n", "10%\n20%\n100%\n"),
        (b"bell\x07 \x7f\xc2\x85tab\t\n", "bell tab\t\n"),
        (b"latin \xe4\xf6\n", "latin \ufffd\ufffd\n"),
        (b"surrogate \xed\xa0\x80\n", "surrogate \ufffd\ufffd\ufffd\n"),
    ],
)
def test_only_text_is_shown(log: Path, raw: bytes, shown: str) -> None:
    append(log, raw)
    assert LogReader(log).read(0).text == shown
    assert tail(log, 10).text == shown


@given(data=st.binary(max_size=3000), limit=st.integers(16, 500))
@settings(max_examples=60)
def test_binary_junk_is_read_to_its_end_as_harmless_text(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, limit: int
) -> None:
    log = tmp_path_factory.mktemp("log") / "it.log"
    append(log, data)
    grow_quiet(log)
    text, last = everything(LogReader(log), START, limit=limit)
    assert len(data) - last.offset < 4  # at most an unfinished character
    for shown in (text, tail(log, 5).text):
        json.loads(json.dumps(shown).encode("utf-8"))
        assert all(character in "\n\t" or character >= " " for character in shown)


def test_escape_codes_without_end_take_no_time() -> None:
    started = time.monotonic()
    for piece in ("\x1b]", "\x1b[", "\x1b[0", "\x1b]8;;x", "\x1b"):
        clean(piece * 200_000)
        clean(piece + "1" * 1_000_000)
    assert time.monotonic() - started < 3


# --- the end of it -------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 3, 200, 40_000])
def test_the_last_lines_are_those_that_reading_it_all_would_give(log: Path, size: int) -> None:
    lines = [f"line {number} " + "x" * (number * 37 % 400) for number in range(size)]
    append(log, "".join(line + "\n" for line in lines).encode())
    for wanted in (0, 1, 2, 100):
        chunk = tail(log, wanted)
        assert chunk.text.splitlines() == lines[max(0, size - wanted) :][: wanted or 0]
        assert chunk.offset == log.stat().st_size
        assert LogReader(log).read(chunk.start, chunk.inode, limit=1 << 20).text == chunk.text


def test_following_goes_on_from_the_last_lines(log: Path) -> None:
    append(log, b"one\ntwo\nthr")
    chunk = tail(log, 1)
    assert chunk.text == "two\n"
    append(log, b"ee\n")
    assert LogReader(log).read(chunk.offset, chunk.inode).text == "three\n"


def test_last_words_without_a_line_end_are_among_the_last_lines(log: Path) -> None:
    append(log, b"one\ntwo\nthr")
    grow_quiet(log)
    assert tail(log, 2).text == "two\nthr"


def test_a_huge_line_is_cut_at_a_character(log: Path) -> None:
    append(log, b"first\n" + "€".encode() * 400_000 + b"\n")
    chunk = tail(log, 5, limit=100_000)
    assert set(chunk.text) == {"€", "\n"}
    assert 99_990 < len(chunk.text.encode()) <= 100_000
    assert chunk.offset == log.stat().st_size


def test_a_gigabyte_costs_no_more_than_a_kilobyte(log: Path) -> None:
    append(log, b"")
    os.truncate(log, 1 << 30)  # sparse
    append(log, b"\nlast\n")
    started = time.monotonic()
    assert tail(log, 1).text == "last\n"
    assert LogReader(log).read((1 << 30) + 1, log.stat().st_ino).text == "last\n"
    assert time.monotonic() - started < 0.5
