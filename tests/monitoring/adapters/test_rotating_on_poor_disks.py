"""Logs are rotated as well as may be where the file system can do less, or is full. Scenario 22."""

import errno
import os
import subprocess
import sys

import pytest

from tests.monitoring.adapters.rotated_logs import PROGRAMS, ROOT


def on_small_file_system(kind: str, script: str, size: str = "1m") -> str:
    """Run ``script`` where PLACE is an empty file system of that kind; skips where none can be mounted."""
    program = [sys.executable, str(PROGRAMS / "on_a_small_disk.py"), kind, size, script]
    done = subprocess.run(
        ["unshare", "--mount", *program],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode == errno.EPERM or "unshare" in done.stderr:
        pytest.skip(f"no file system can be mounted here: {done.stderr}")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_where_a_log_can_only_be_truncated_what_that_may_cost_is_written_into_it() -> None:
    """ramfs can neither collapse nor punch. Scenario 22."""
    said = on_small_file_system(
        "ramfs",
        """
append(log, lines(0, 10_000))
assert rotate(log, max_bytes=100_000, keep=3)
append(log, lines(10_000, 11_000))
live = log.read_text().splitlines()
assert "what was written just before this line may be lost" in live[0], live[0]
assert live[0].startswith("medimgr, ")
assert live[1:] == lines(10_000, 11_000).decode().splitlines()
assert log.with_name("it.log.1").read_bytes() == lines(0, 10_000)
assert LogReader(log).read(0, log.stat().st_ino, 1 << 20).text.startswith("0 \\n1 x")
print("as it should be")
""",
    )
    assert said == "as it should be\n"


def test_on_a_full_disk_the_oldest_archives_make_room_and_the_log_says_so() -> None:
    """Scenario 22: archives of a mebibyte disk, each of 300 KB."""
    said = on_small_file_system(
        "tmpfs",
        """
for begin in range(0, 90_000, 10_000):
    try:
        append(log, lines(begin, begin + 10_000))
    except OSError as error:
        assert error.errno == errno.ENOSPC
        break
    rotate(log, max_bytes=100_000, keep=9)
else:
    raise AssertionError("the disk never was full")
made = rotate(log, max_bytes=100_000, keep=9)
assert made and made.room_made, made
text = log.read_bytes().replace(b"\\0", b"").decode()
assert "the disk is full: the oldest archive of this log (it.log." in text
print("as it should be")
""",
    )
    assert said == "as it should be\n"


def test_where_no_room_can_be_made_the_log_stays_as_it_is() -> None:
    """Scenario 22."""
    said = on_small_file_system(
        "tmpfs",
        """
append(log, lines(0, 20_000))
before = log.read_bytes()
try:
    rotate(log, max_bytes=100_000, keep=9)
except OSError as error:
    assert error.errno == errno.ENOSPC
else:
    raise AssertionError("there was room")
assert log.read_bytes() == before
assert os.listdir(log.parent) == ["it.log"], os.listdir(log.parent)
print("as it should be")
""",
    )
    assert said == "as it should be\n"
