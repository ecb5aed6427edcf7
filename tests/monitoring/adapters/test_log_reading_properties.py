"""Whatever a service writes, and whenever its log is rotated, compressed or read: nothing is lost or doubled.

Scenario 23.
"""

import os
import shutil
import tempfile
import threading
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from monitoring.supervisor.log_packing import pack_one
from monitoring.supervisor.log_rotation import rotate, settle
from monitoring.supervisor.logs import LogReader, open_log

KEPT = 1000
BLOCK = 4096
lines = st.lists(st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc"]), max_size=30))


class LogBeingRead(RuleBasedStateMachine):
    """A writer that keeps its file open, a rotator, and a reader that keeps only (offset, inode)."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="medimgr-log-"))
        self.path = self.directory / "it.log"
        self.fd = open_log(self.path)
        self.written = b""
        self.read = ""
        self.offset, self.inode = 0, os.fstat(self.fd).st_ino

    @rule(lines=lines)
    def write_lines(self, lines: list[str]) -> None:
        self._write("".join(line + "\n" for line in lines).encode())

    @rule(text=st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc"]), max_size=50))
    def write_without_end(self, text: str) -> None:
        self._write(text.encode())

    @rule(data=st.sampled_from([c.encode() for c in "ä€😀"]), cut=st.integers(1, 2))
    def write_a_character_in_two_goes(self, data: bytes, cut: int) -> None:
        self._write(data[: min(cut, len(data) - 1)])
        self._read(64)
        self._write(data[min(cut, len(data) - 1) :])

    def _write(self, data: bytes) -> None:
        os.write(self.fd, data)
        self.written += data

    @rule(lines=st.integers(1, 300), width=st.integers(0, 200))
    def write_much(self, lines: int, width: int) -> None:
        self._write(b"".join(b"%d " % number + b"m" * width + b"\n" for number in range(lines)))

    @rule(at_least=st.sampled_from([1, BLOCK, 3 * BLOCK]))
    def rotate(self, at_least: int) -> None:
        rotate(self.path, max_bytes=at_least, keep=KEPT)

    @rule()
    def compress(self) -> None:
        pack_one(self.path, threading.Lock(), lambda: False)

    @rule()
    def another_keeper_takes_over(self) -> None:
        settle(self.path)

    @rule(limit=st.integers(1000, 100_000))
    def read_much(self, limit: int) -> None:
        self._read(limit)

    @rule(limit=st.integers(1, 200))
    def read_a_piece(self, limit: int) -> None:
        self._read(limit)

    @rule()
    def time_passes(self) -> None:
        os.utime(self.path, (1, 1))

    def _read(self, limit: int) -> bool:
        chunk = LogReader(self.path).read(self.offset, self.inode, limit)
        moved = (chunk.offset, chunk.inode) != (self.offset, self.inode)
        assert not chunk.text or moved
        assert not chunk.reset
        assert (chunk.start, chunk.inode) == (self.offset, self.inode)
        self.offset, self.inode = chunk.offset, chunk.inode
        self.read += chunk.text
        return moved

    @invariant()
    def what_was_read_is_the_beginning_of_what_was_written(self) -> None:
        assert self.written.startswith(self.read.encode())

    def teardown(self) -> None:
        os.utime(self.path, (1, 1))
        while self._read(10_000):
            pass
        os.close(self.fd)
        shutil.rmtree(self.directory)
        assert self.read.encode() == self.written


LogBeingRead.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestLogBeingRead = LogBeingRead.TestCase
